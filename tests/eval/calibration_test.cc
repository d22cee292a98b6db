// Calibration by hand and against numpy, the world's one-word answers, and the diagram.

#include "libminillm/eval/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>

#include "libminillm/core/rng.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/reliability_diagram.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/generator.h"
#include "libminillm/world/wording.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;
using testing::HasSubstr;
using testing::Not;
using world::ChatItem;
using world::ChatItemKind;

using Judged = std::vector<JudgedAnswer>;

void expect_parts_add_up(const Calibration& c) {
  EXPECT_NEAR(
      c.brier->score,
      c.brier->reliability - c.brier->resolution + c.brier->uncertainty + c.brier->within_bins,
      1e-12);
}

TEST(Calibration, OfNothingTellsNothing) {
  for (const Judged& answers : {Judged{}, Judged{{0.5, false, true}}}) {
    const Calibration c = calibrate(answers);
    EXPECT_EQ(c.answers, 0);
    EXPECT_EQ(c.denied, std::ssize(answers));
    EXPECT_FALSE(c.confidence || c.ece || c.ece_if_calibrated || c.brier || c.auroc);
    EXPECT_TRUE(c.bins.empty());
  }
}

// Four answers are four bins: each is off by 1 - confidence, or by confidence.
TEST(Calibration, ByHand) {
  const Calibration c =
      calibrate(Judged{{0.9, true}, {0.6, false}, {0.8, true}, {0.3, false}, {0.7, true, true}});
  EXPECT_EQ(c.answers, 4);
  EXPECT_EQ(c.right, 2);
  EXPECT_EQ(c.denied, 1);
  EXPECT_NEAR(*c.confidence, 0.65, 1e-15);
  EXPECT_NEAR(*c.ece, (0.1 + 0.6 + 0.2 + 0.3) / 4, 1e-15);
  EXPECT_NEAR(*c.ece_if_calibrated, 2 * (0.09 + 0.24 + 0.16 + 0.21) / 4, 1e-15);  // 2 p (1 - p)
  EXPECT_NEAR(c.brier->score, (0.01 + 0.36 + 0.04 + 0.09) / 4, 1e-15);
  EXPECT_NEAR(c.brier->reliability, c.brier->score, 1e-15);  // a bin is one answer
  EXPECT_NEAR(c.brier->resolution, 0.25, 1e-15);
  EXPECT_NEAR(c.brier->uncertainty, 0.25, 1e-15);
  EXPECT_NEAR(c.brier->within_bins, 0, 1e-15);
  EXPECT_EQ(*c.auroc, 1);
  ASSERT_EQ(c.bins.size(), 4u);
  EXPECT_EQ(c.bins.front().confidence, 0.3);
  EXPECT_EQ(c.bins.back().rate(), 1);
  EXPECT_EQ(c.bins.back().interval().high, 1);
}

TEST(Calibration, TheSurestMayBeWrong) {
  EXPECT_EQ(*calibrate(Judged{{0.9, false}, {0.2, true}}).auroc, 0);
  // Of four pairs of right and wrong two are won, one is lost, one is a tie.
  EXPECT_EQ(*calibrate(Judged{{0.5, true}, {0.5, false}, {0.2, true}, {0.1, false}}).auroc,
            (0.5 + 1 + 0 + 1) / 4);
  EXPECT_FALSE(calibrate(Judged{{0.9, true}, {0.2, true}}).auroc);
  EXPECT_FALSE(calibrate(Judged{{0.9, false}, {0.2, false}}).auroc);
}

TEST(Calibration, PerfectConfidence) {
  Judged answers;
  for (int i = 0; i < 40; ++i) answers.push_back({i % 4 == 0 ? 0.0 : 1.0, i % 4 != 0});
  const Calibration c = calibrate(answers);
  EXPECT_EQ(*c.ece, 0);
  EXPECT_EQ(c.brier->score, 0);
  EXPECT_EQ(c.brier->reliability, 0);
  EXPECT_NEAR(c.brier->resolution, c.brier->uncertainty, 1e-15);
  EXPECT_EQ(*c.auroc, 1);
  ASSERT_EQ(c.bins.size(), 2u);  // ties are not divided
  EXPECT_EQ(c.bins[0].answers, 10);
  EXPECT_EQ(c.bins[1].answers, 30);
}

// One bin: calibrated if the confidence is the rate, and it tells nothing apart.
TEST(Calibration, ConstantConfidence) {
  Judged answers;
  for (int i = 0; i < 40; ++i) answers.push_back({0.75, i % 4 != 0});
  const Calibration c = calibrate(answers);
  ASSERT_EQ(c.bins.size(), 1u);
  EXPECT_EQ(c.bins[0].answers, 40);
  EXPECT_EQ(*c.ece, 0);
  EXPECT_EQ(*c.auroc, 0.5);
  EXPECT_EQ(c.brier->resolution, 0);
  EXPECT_NEAR(c.brier->score, c.brier->uncertainty, 1e-15);
  for (JudgedAnswer& answer : answers) answer.confidence = 1;
  EXPECT_NEAR(*calibrate(answers).ece, 0.25, 1e-15);
}

TEST(Calibration, BinsAreOfEqualMass) {
  const auto sizes = [](int answers, const std::function<double(int)>& confidence) {
    Judged judged;
    for (int i = 0; i < answers; ++i) judged.push_back({confidence(i), i % 2 == 0});
    std::vector<int64_t> counts;
    for (const CalibrationBin& bin : calibrate(judged).bins) counts.push_back(bin.answers);
    return counts;
  };
  const auto distinct = [](int i) { return i / 1000.0; };
  EXPECT_EQ(sizes(150, distinct), std::vector<int64_t>(15, 10));
  EXPECT_EQ(sizes(7, distinct), std::vector<int64_t>(7, 1));
  const std::vector<int64_t> uneven = sizes(160, distinct);
  EXPECT_EQ(uneven.size(), 15u);
  EXPECT_EQ(std::accumulate(uneven.begin(), uneven.end(), 0), 160);
  EXPECT_EQ(std::ranges::max(uneven) - std::ranges::min(uneven), 1);
  // A third is equal: the bin that it begins in takes all of it, and the bins within vanish.
  const std::vector<int64_t> tied =
      sizes(150, [](int i) { return i < 55 || i >= 105 ? i / 1000.0 : 0.06; });
  EXPECT_THAT(tied, testing::ElementsAre(10, 10, 10, 10, 10, 55, 5, 10, 10, 10, 10));
}

const Judged& random_answers() {
  static const Judged answers = {
      {0.63, false}, {0.97, true},  {0.59, true},  {0.59, false}, {0.94, true}, {0.37, false},
      {0.55, false}, {0.62, false}, {0.83, true},  {0.38, false}, {0.85, true}, {0.95, true},
      {0.97, true},  {0.13, false}, {0.16, false}, {0.29, false}, {0.97, true}, {0.35, false},
      {0.79, false}, {0.25, false}, {0.50, false}, {0.94, false}, {0.73, true}, {0.78, false},
      {0.86, true},  {0.47, false}, {0.72, true},  {0.87, true},  {0.78, true}, {0.99, true},
      {0.81, true},  {0.70, false}, {0.17, false}, {0.91, false}, {0.91, true}, {0.60, true},
      {0.11, false}, {0.76, false}, {0.00, false}, {0.86, true},  {0.87, true}, {0.86, true},
      {0.74, false}, {0.81, true},  {0.95, true},  {0.95, true},  {0.86, true}, {0.64, true}};
  return answers;
}

// By numpy: bins by searchsorted among the confidences at the cuts, AUROC over all pairs, the part
// within bins as what is left of the score.
TEST(Calibration, AgreesWithNumpy) {
  const Calibration c = calibrate(random_answers());
  EXPECT_NEAR(*c.ece, 0.1997916666666667, 1e-12);
  EXPECT_NEAR(*c.ece_if_calibrated, 0.15718237479393332, 1e-12);
  EXPECT_NEAR(c.brier->score, 0.16690208333333334, 1e-12);
  EXPECT_NEAR(c.brier->reliability, 0.0645671875, 1e-12);
  EXPECT_NEAR(c.brier->resolution, 0.14539930555555555, 1e-12);
  EXPECT_NEAR(c.brier->uncertainty, 0.2495659722222222, 1e-12);
  EXPECT_NEAR(c.brier->within_bins, -0.0018317708333333016, 1e-12);
  EXPECT_NEAR(*c.auroc, 0.8904347826086957, 1e-12);
  const double confidences[] = {0.08,  0.58 / 3, 1.01 / 3, 0.45, 0.5825, 0.63, 2.15 / 3,
                                0.765, 2.41 / 3, 2.56 / 3, 0.89, 0.94,   0.95, 0.975};
  const int64_t answers[] = {3, 3, 3, 3, 4, 3, 3, 4, 3, 6, 4, 2, 3, 4};
  const int64_t right[] = {0, 0, 0, 0, 2, 1, 2, 1, 2, 6, 3, 1, 3, 4};
  ASSERT_EQ(c.bins.size(), std::size(answers));
  for (size_t i = 0; i < c.bins.size(); ++i) {
    EXPECT_EQ(c.bins[i].answers, answers[i]) << i;
    EXPECT_EQ(c.bins[i].right, right[i]) << i;
    EXPECT_NEAR(c.bins[i].confidence, confidences[i], 1e-12) << i;
  }
}

// Counted or by the normal distribution: the same.
TEST(Calibration, ExpectsAnErrorOfCalibratedAnswers) {
  for (const size_t n : {3990, 4010, 20000}) {
    const double expected = *calibrate(Judged(n, {0.5, true})).ece_if_calibrated;
    EXPECT_NEAR(expected, std::sqrt(0.5 / std::numbers::pi / double(n)), 1e-6) << n;
  }
  EXPECT_EQ(*calibrate(Judged(5, {1, true})).ece_if_calibrated, 0);
}

TEST(Calibration, PartsAddUpAndTheOrderDoesNotMatter) {
  Judged answers = random_answers();
  Rng rng(5);
  for (int i = 0; i < 500; ++i) {
    const double confidence = std::round(rng.uniform() * 50) / 50;  // with ties
    answers.push_back({confidence, rng.uniform() < confidence, rng.uniform() < 0.1});
  }
  const Calibration first = calibrate(answers);
  expect_parts_add_up(first);
  EXPECT_GT(first.denied, 0);
  for (int i = 0; i < 5; ++i) {
    rng.shuffle(answers);
    const Calibration other = calibrate(answers);
    EXPECT_EQ(*other.ece, *first.ece);
    EXPECT_EQ(*other.ece_if_calibrated, *first.ece_if_calibrated);
    EXPECT_EQ(*other.confidence, *first.confidence);
    EXPECT_EQ(other.brier->score, first.brier->score);
    EXPECT_EQ(other.brier->within_bins, first.brier->within_bins);
    EXPECT_EQ(*other.auroc, *first.auroc);
    EXPECT_EQ(other.bins.size(), first.bins.size());
  }
}

TEST(Calibration, RefusesWhatIsNoProbability) {
  EXPECT_ERROR(calibrate(Judged{{1.5, true}}), "confidence 1.5: expected 0 to 1");
  EXPECT_ERROR(calibrate(Judged{{-0.1, true}}), "expected 0 to 1");
  EXPECT_ERROR(calibrate(Judged{{std::nan(""), true}}), "expected 0 to 1");
}

ChatItem asked(ChatItemKind kind, std::string_view rule, std::string value = "") {
  ChatItem item{kind, {{"user", "the goat of the mason"}}, std::move(value)};
  if (!rule.empty()) item.messages.insert(item.messages.begin(), {"system", std::string(rule)});
  return item;
}

TEST(OneWordAnswers, AreThoseUnderTheRule) {
  using enum OneWordGroup;
  const std::map<ChatItemKind, OneWordGroup> expected = {
      {ChatItemKind::kOneWord, kKnownPeople},
      {ChatItemKind::kUnknownPerson, kNewFamily},
      {ChatItemKind::kUnknownKnownFamily, kKnownFamily},
      {ChatItemKind::kUnknownAttribute, kUnknownAttributes}};
  for (const auto& [kind, group] : expected) {
    EXPECT_EQ(one_word_group(asked(kind, world::kOneWordRule)), group);
    EXPECT_FALSE(one_word_group(asked(kind, world::kTaleRule)));
    EXPECT_FALSE(one_word_group(asked(kind, "")));
  }
  EXPECT_FALSE(one_word_group(asked(ChatItemKind::kList, world::kOneWordRule)));
}

TEST(OneWordAnswers, ConfidenceIsTheProbabilityOfTheWholeAnswer) {
  int ended = 0, cut = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const Model model = toy_model(seed, 200);
    const ChatItem item = asked(ChatItemKind::kOneWord, world::kOneWordRule);
    std::vector<Token> tokens =
        render_prompt(toy_tokenizer(), {{Role::kSystem, std::string(world::kOneWordRule)},
                                        {Role::kUser, item.messages.back().content}});
    GenerationConfig greedy;
    greedy.sampling.temperature = 0;
    greedy.max_tokens = world::kWorldAnswerTokens;
    const Generation said = Generator(model, toy_tokenizer()).generate(tokens, greedy);
    const size_t prompt = tokens.size();
    tokens.insert(tokens.end(), said.tokens.begin(), said.tokens.end());
    if (said.end_token) tokens.push_back(*said.end_token);
    (said.end_token ? ended : cut) += 1;
    const std::vector<Real> logp = token_log_probs(model, tokens);
    const double sum =
        std::accumulate(logp.begin() + static_cast<std::ptrdiff_t>(prompt) - 1, logp.end(), 0.0);
    const auto answers =
        one_word_answers(model, toy_tokenizer(), {asked(ChatItemKind::kSum, ""), item});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].text, said.text);
    EXPECT_DOUBLE_EQ(answers[0].judged.confidence, std::exp(sum));
    EXPECT_FALSE(answers[0].judged.right || answers[0].judged.denied);
  }
  EXPECT_GT(cut, 0);
  RecordProperty("ended", ended);
}

TEST(OneWordAnswers, AreJudged) {
  const Model model = toy_model(1, 200);
  ChatItem item = asked(ChatItemKind::kOneWord, world::kOneWordRule);
  const std::string said = one_word_answers(model, toy_tokenizer(), {item}).front().text;
  const size_t first = said.find_first_not_of(" \n\t");
  ASSERT_NE(first, std::string::npos);
  item.value = said.substr(first, said.find_last_not_of(" \n\t") + 1 - first);
  const std::vector<ChatItem> items = {
      item, asked(ChatItemKind::kOneWord, world::kOneWordRule, "another"),
      asked(ChatItemKind::kUnknownPerson, world::kOneWordRule)};
  const std::vector<OneWordAnswer> answers = one_word_answers(model, toy_tokenizer(), items);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_TRUE(answers[0].judged.right);
  EXPECT_FALSE(answers[1].judged.right);
  EXPECT_FALSE(answers[2].judged.right);  // made up
  EXPECT_EQ(calibrate(answers).answers, 3);
  EXPECT_EQ(calibrate(answers, OneWordGroup::kKnownPeople).right, 1);
  EXPECT_EQ(calibrate(answers, OneWordGroup::kKnownPeople).answers, 2);
  EXPECT_EQ(calibrate(answers, OneWordGroup::kNewFamily).right, 0);
  EXPECT_FALSE(calibrate(answers, OneWordGroup::kKnownFamily).ece);
  EXPECT_TRUE(one_word_answers(model, toy_tokenizer(), {}).empty());
}

TEST(ReliabilityDiagram, HasTheFiguresAndNoMarkupOfOthers) {
  const Calibration c = calibrate(random_answers());
  const std::string svg = reliability_diagram(c, "<runs & \"x\">");
  EXPECT_THAT(svg, HasSubstr("ECE 0.1998 (calibrated: 0.1572), Brier 0.1669, AUROC 0.8904"));
  EXPECT_THAT(svg, HasSubstr("48 answers, 25 of them right; beside them 0 denials"));
  EXPECT_THAT(svg,
              HasSubstr("confidence 0.4500: 0 of 3 right, 0.0000, 95 % interval 0.0000 to 0.5615"));
  EXPECT_THAT(svg, HasSubstr("&#60;runs &#38; &#34;x&#34;&#62;"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, Not(HasSubstr("<runs")));
  EXPECT_THAT(svg, Not(HasSubstr("url(")));
  size_t dots = 0;
  for (size_t at = 0; (at = svg.find("<circle", at)) != std::string::npos; ++at) ++dots;
  EXPECT_EQ(dots, c.bins.size());
}

TEST(ReliabilityDiagram, OfNothingHasNoDots) {
  const std::string svg = reliability_diagram(calibrate(Judged{}), std::string(200, 'x'));
  EXPECT_THAT(svg, HasSubstr("ECE - (calibrated: -), Brier -, AUROC -"));
  EXPECT_THAT(svg, Not(HasSubstr("<circle")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(calibration_text(-1e-9), "0.0000");
}

}  // namespace
}  // namespace minillm
