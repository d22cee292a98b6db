// Calibration: does a model's confidence tell whether its answer is right? Figures of any judged
// answers, and the judged answers to those of the world's questions that ask for one word.

#ifndef LIBMINILLM_EVAL_CALIBRATION_H_
#define LIBMINILLM_EVAL_CALIBRATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/eval/statistics.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/eval_set.h"

namespace minillm {

// How sure a model was of an answer, and what the answer was.
struct JudgedAnswer {
  double confidence = 0;  // the answer's probability, in [0, 1]
  bool right = false;     // told only of answers that are no denial
  bool denied = false;    // says that it does not know
};

// At most as many bins, of as many answers each as ties allow.
inline constexpr int64_t kCalibrationBins = 15;

// Neighbours in confidence.
struct CalibrationBin {
  int64_t answers = 0;
  int64_t right = 0;
  double confidence = 0;  // the mean
  double rate() const { return static_cast<double>(right) / static_cast<double>(answers); }
  Interval interval() const { return wilson_interval(right, answers); }  // of the rate
};

// The mean of (confidence - right)^2 (Brier 1950), and its parts (Murphy 1973, J. Appl. Meteor.
// 12): to rounding, score = reliability - resolution + uncertainty + within_bins. Below, c and y
// are the mean confidence and the rate right of a bin of n of the N answers, Y is the rate of all.
struct BrierScore {
  double score = 0;
  double reliability = 0;  // sum of n/N (c - y)^2: lower is better
  double resolution = 0;   // sum of n/N (y - Y)^2: higher is better
  double uncertainty = 0;  // Y (1 - Y), whatever the confidence is
  // What the other parts do not see, since they give all answers of a bin its mean confidence: the
  // mean of (c_i - c)^2 - 2 (c_i - c)(y_i - y), of answers i (Stephenson et al. 2008,
  // doi:10.1175/2007WAF2006116.1). Negative where confidence tells right from wrong within bins.
  double within_bins = 0;
};

// Denials are counted, and take part in nothing else. Where there is nothing to tell, nothing is
// told: no figure of no answers.
struct Calibration {
  int64_t denied = 0;
  int64_t answers = 0;  // without denials
  int64_t right = 0;
  std::optional<double> confidence;  // the mean
  // Expected calibration error (Guo et al. 2017, arXiv:1706.04599), of bins of equal mass (Nixon et
  // al. 2019, arXiv:1904.01685): the sum of n/N |y - c|. With few answers a bin it is too high:
  std::optional<double> ece;
  // its expected value, of the same bins, if each answer were right with the probability that its
  // confidence says, independently of the others. Only more than that speaks of the model.
  std::optional<double> ece_if_calibrated;
  std::optional<BrierScore> brier;
  // How probably a right answer is given with more confidence than a wrong one, equal confidence
  // counting half. Nothing unless there are both.
  std::optional<double> auroc;
  std::vector<CalibrationBin> bins;  // from the lowest confidence to the highest
};

// Sorted by confidence, the answers are cut at every n / kCalibrationBins (at every answer if there
// are fewer). Answers of equal confidence are never divided: the lower bin gets all of them, and a
// bin that is left without any is left out. The order of the answers does not matter, to the bit.
// Throws Error on a confidence outside [0, 1].
Calibration calibrate(std::span<const JudgedAnswer> answers);

// Whom the world's questions under the rule of one word ask about.
enum class OneWordGroup {
  kKnownPeople,
  kNewFamily,          // strangers whose family name is new, too
  kKnownFamily,        // strangers with a family name of the stories
  kUnknownAttributes,  // what is told of nobody
};
inline constexpr OneWordGroup kOneWordGroups[] = {
    OneWordGroup::kKnownPeople, OneWordGroup::kNewFamily, OneWordGroup::kKnownFamily,
    OneWordGroup::kUnknownAttributes};
// "known_people", "strangers_new_family", "strangers_known_family", "unknown_attributes"
const char* one_word_group_name(OneWordGroup group);
// Nothing of an item that is not asked under that rule.
std::optional<OneWordGroup> one_word_group(const world::ChatItem& item);

struct OneWordAnswer {
  OneWordGroup group = OneWordGroup::kKnownPeople;
  std::string text;
  // The confidence is exp of the summed log-probabilities of the answer's tokens, the end token
  // included (of an answer cut off at kWorldAnswerTokens there is none). Right: is the value; an
  // answer where nothing is known is wrong unless it is a denial.
  JudgedAnswer judged;
};
// Greedy answers to those items that have a group, in their order. Throws Error as evaluate_world
// does, and if the model has no language head.
std::vector<OneWordAnswer> one_word_answers(const Model& model, const Tokenizer& tokenizer,
                                            const std::vector<world::ChatItem>& items,
                                            const Scoring& scoring = {});

// calibrate() of one group's answers, or of all.
Calibration calibrate(std::span<const OneWordAnswer> answers,
                      std::optional<OneWordGroup> group = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CALIBRATION_H_
