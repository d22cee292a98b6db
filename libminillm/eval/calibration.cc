#include "libminillm/eval/calibration.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/world_messages.h"
#include "libminillm/generate/shared_generation.h"
#include "libminillm/world/scoring.h"
#include "libminillm/world/wording.h"

namespace minillm {
namespace {

using Answers = std::span<const JudgedAnswer>;

// Those that are no denials, by confidence; equal ones by whether they are right, so that all sums
// are taken in one order.
std::vector<JudgedAnswer> sorted_answers(Answers answers) {
  std::vector<JudgedAnswer> sorted;
  for (const JudgedAnswer& answer : answers) {
    MINILLM_CHECK(0 <= answer.confidence && answer.confidence <= 1,
                  "calibration: confidence {}: expected 0 to 1", answer.confidence);
    if (!answer.denied) sorted.push_back(answer);
  }
  std::ranges::sort(sorted, {}, [](const JudgedAnswer& answer) {
    return std::pair(answer.confidence, answer.right);
  });
  return sorted;
}

// Equal confidence is never divided: which of the answers came into which bin would be chance.
std::vector<Answers> equal_mass_bins(Answers sorted) {
  const size_t n = sorted.size();
  const size_t count = std::min(static_cast<size_t>(kCalibrationBins), n);
  std::vector<Answers> bins;
  size_t begin = 0;
  for (size_t b = 1; b <= count; ++b) {
    size_t end = n * b / count;
    if (end <= begin) continue;
    while (end < n && sorted[end].confidence == sorted[end - 1].confidence) ++end;
    bins.push_back(sorted.subspan(begin, end - begin));
    begin = end;
  }
  return bins;
}

double mean_confidence(Answers answers) {
  double sum = 0;
  for (const JudgedAnswer& answer : answers) sum += answer.confidence;
  return sum / static_cast<double>(answers.size());
}

CalibrationBin to_bin(Answers answers) {
  return {std::ssize(answers), std::ranges::count(answers, true, &JudgedAnswer::right),
          mean_confidence(answers)};
}

// The expected distance of the number of right answers from the sum of their confidences, if that
// is how probably each is right.
double expected_distance(Answers answers) {
  double mean = 0, variance = 0;
  for (const JudgedAnswer& answer : answers) {
    mean += answer.confidence;
    variance += answer.confidence * (1 - answer.confidence);
  }
  // Of so many the number is as good as normally distributed, and counting takes time squared.
  constexpr double kNormal = 1000;
  if (variance > kNormal) return std::sqrt(2 / std::numbers::pi * variance);
  std::vector<double> probability = {1};  // [k] of k right ones among those taken so far
  for (const JudgedAnswer& answer : answers) {
    const double p = answer.confidence;
    probability.push_back(probability.back() * p);
    for (size_t k = probability.size() - 2; k > 0; --k)
      probability[k] = probability[k] * (1 - p) + probability[k - 1] * p;
    probability[0] *= 1 - p;
  }
  double distance = 0;
  for (size_t k = 0; k < probability.size(); ++k)
    distance += probability[k] * std::abs(static_cast<double>(k) - mean);
  return distance;
}

double square(double x) { return x * x; }

BrierScore brier_score(const std::vector<Answers>& bins, double base_rate) {
  BrierScore brier;
  double n = 0;
  for (const Answers bin : bins) {
    const CalibrationBin whole = to_bin(bin);
    const auto size = static_cast<double>(whole.answers);
    n += size;
    brier.reliability += size * square(whole.confidence - whole.rate());
    brier.resolution += size * square(whole.rate() - base_rate);
    for (const auto& [confidence, right, denied] : bin) {
      const double y = right ? 1 : 0, off = confidence - whole.confidence;
      brier.score += square(confidence - y);
      brier.within_bins += square(off) - 2 * off * (y - whole.rate());
    }
  }
  for (double* part : {&brier.score, &brier.reliability, &brier.resolution, &brier.within_bins})
    *part /= n;
  brier.uncertainty = base_rate * (1 - base_rate);
  return brier;
}

// Mann and Whitney's U, divided by the number of pairs.
std::optional<double> auroc(Answers sorted) {
  double pairs_won = 0, right = 0, wrong = 0;
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    double right_here = 0, wrong_here = 0;
    for (; end < sorted.size() && sorted[end].confidence == sorted[begin].confidence; ++end)
      (sorted[end].right ? right_here : wrong_here) += 1;
    pairs_won += right_here * (wrong + wrong_here / 2);
    right += right_here;
    wrong += wrong_here;
  }
  if (right == 0 || wrong == 0) return std::nullopt;
  return pairs_won / (right * wrong);
}

bool under_one_word_rule(const world::ChatItem& item) {
  return !item.messages.empty() &&
         item.messages.front() == world::WorldMessage{"system", std::string(world::kOneWordRule)};
}

// Rounding may leave a logarithm of a probability a little above 0.
double probability(const std::vector<Real>& log_probs) {
  return std::min(1.0, std::exp(std::accumulate(log_probs.begin(), log_probs.end(), 0.0)));
}

}  // namespace

Calibration calibrate(std::span<const JudgedAnswer> answers) {
  const std::vector<JudgedAnswer> sorted = sorted_answers(answers);
  Calibration result;
  result.answers = std::ssize(sorted);
  result.denied = std::ssize(answers) - result.answers;
  if (sorted.empty()) return result;
  const std::vector<Answers> bins = equal_mass_bins(sorted);
  const auto n = static_cast<double>(result.answers);
  double ece = 0, expected = 0;
  for (const Answers bin : bins) {
    const CalibrationBin& added = result.bins.emplace_back(to_bin(bin));
    result.right += added.right;
    ece += static_cast<double>(added.answers) / n * std::abs(added.rate() - added.confidence);
    expected += expected_distance(bin) / n;
  }
  result.confidence = mean_confidence(sorted);
  result.ece = ece;
  result.ece_if_calibrated = expected;
  result.brier = brier_score(bins, static_cast<double>(result.right) / n);
  result.auroc = auroc(sorted);
  return result;
}

const char* one_word_group_name(OneWordGroup group) {
  switch (group) {
    case OneWordGroup::kKnownPeople:
      return "known_people";
    case OneWordGroup::kNewFamily:
      return "strangers_new_family";
    case OneWordGroup::kKnownFamily:
      return "strangers_known_family";
    case OneWordGroup::kUnknownAttributes:
      break;
  }
  return "unknown_attributes";
}

std::optional<OneWordGroup> one_word_group(const world::ChatItem& item) {
  if (!under_one_word_rule(item)) return std::nullopt;
  switch (item.kind) {
    case world::ChatItemKind::kOneWord:
      return OneWordGroup::kKnownPeople;
    case world::ChatItemKind::kUnknownPerson:
      return OneWordGroup::kNewFamily;
    case world::ChatItemKind::kUnknownKnownFamily:
      return OneWordGroup::kKnownFamily;
    case world::ChatItemKind::kUnknownAttribute:
      return OneWordGroup::kUnknownAttributes;
    default:
      return std::nullopt;
  }
}

std::vector<OneWordAnswer> one_word_answers(const Model& model, const Tokenizer& tokenizer,
                                            const std::vector<world::ChatItem>& items,
                                            const Scoring& scoring) {
  MINILLM_CHECK(model.config().has_lm_head(), "calibration: a reward model answers nothing");
  std::vector<const world::ChatItem*> asked;
  std::vector<std::vector<Token>> prompts;
  std::vector<OneWordAnswer> answers;
  for (const world::ChatItem& item : items) {
    const std::optional<OneWordGroup> group = one_word_group(item);
    if (!group) continue;
    asked.push_back(&item);
    prompts.push_back(render_prompt(tokenizer, to_messages(item.messages)));
    answers.push_back({*group, {}, {}});
  }
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = world::kWorldAnswerTokens;
  config.log_probs = true;
  Generator generator(model, tokenizer);
  std::vector<Generation> said = generate_among(scoring.ranks, generator, prompts, config);
  for (size_t i = 0; i < answers.size(); ++i) {
    const world::ChatOutcome outcome =
        score_chat(*asked[i], said[i].text, said[i].reason == StopReason::kEndToken);
    answers[i].text = std::move(said[i].text);
    answers[i].judged = {probability(said[i].log_probs), outcome.correct && !outcome.denied,
                         outcome.denied};
  }
  return answers;
}

Calibration calibrate(std::span<const OneWordAnswer> answers, std::optional<OneWordGroup> group) {
  std::vector<JudgedAnswer> judged;
  for (const OneWordAnswer& answer : answers)
    if (!group || answer.group == *group) judged.push_back(answer.judged);
  return calibrate(judged);
}

}  // namespace minillm
