// What every entry of the table has to do, whichever it is.

#include "libminillm/objectives/pair_losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "libminillm/core/alternatives.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

// Every loss, alone and with each further value that it takes.
std::vector<PairLossConfig> all_configs() {
  std::vector<PairLossConfig> configs;
  for (const PairLoss& loss : pair_losses()) {
    for (const double beta : {0.1, 0.7}) {
      configs.push_back({.name = loss.name, .beta = beta});
      if (std::ranges::count(loss.keys, "dpo.label_smoothing") > 0)
        configs.push_back({.name = loss.name, .beta = beta, .label_smoothing = 0.2});
      if (std::ranges::count(loss.keys, "dpo.gamma") > 0)
        configs.push_back({.name = loss.name, .beta = beta, .gamma = 1.2});
    }
  }
  return configs;
}

constexpr PairValues kMoved = {.chosen = -7,
                               .rejected = -11.5,
                               .reference_chosen = -9,
                               .reference_rejected = -10,
                               .chosen_tokens = 4,
                               .rejected_tokens = 6,
                               .moved = 0.3};

TEST(PairLosses, DerivativesMatchCentralDifferences) {
  for (PairLossConfig config : all_configs()) {
    const PairLoss& loss = pair_loss_of(config);
    if (loss.judges_single_answers) config.desirable_weight = 1.5;
    const auto difference = [&](double PairValues::*member) {
      constexpr double kStep = 1e-5;
      PairValues low = kMoved, high = kMoved;
      low.*member -= kStep;
      high.*member += kStep;
      return (loss.at(high, config).loss - loss.at(low, config).loss) / (2 * kStep);
    };
    const PairGradient gradient = loss.at(kMoved, config);
    EXPECT_NEAR(gradient.dchosen, difference(&PairValues::chosen), 1e-8) << loss.name;
    EXPECT_NEAR(gradient.drejected, difference(&PairValues::rejected), 1e-8) << loss.name;
  }
}

// Every entry against PyTorch: make_pair_loss_fixtures.py wrote the numbers.
TEST(PairLosses, AgreeWithPyTorch) {
  std::ifstream file(MINILLM_SOURCE_DIR "/tests/objectives/fixtures/pair_losses.txt");
  ASSERT_TRUE(file);
  std::set<std::string> seen;
  PairLossConfig c;
  PairValues v;
  PairGradient expected;
  while (file >> c.name >> c.beta >> c.label_smoothing >> c.gamma >> c.desirable_weight >>
         c.undesirable_weight >> v.chosen >> v.rejected >> v.reference_chosen >>
         v.reference_rejected >> v.chosen_tokens >> v.rejected_tokens >> v.moved >> expected.loss >>
         expected.dchosen >> expected.drejected) {
    const PairGradient gradient = pair_loss_of(c).at(v, c);
    EXPECT_NEAR(gradient.loss, expected.loss, 1e-12) << c.name;
    EXPECT_NEAR(gradient.dchosen, expected.dchosen, 1e-12) << c.name;
    EXPECT_NEAR(gradient.drejected, expected.drejected, 1e-12) << c.name;
    seen.insert(c.name);
  }
  for (const PairLoss& loss : pair_losses()) EXPECT_TRUE(seen.contains(loss.name)) << loss.name;
}

TEST(PairLosses, PreferTheChosenAnswerAndAgreeAboutAnUnmovedPair) {
  for (const PairLossConfig& config : all_configs()) {
    const PairLoss& loss = pair_loss_of(config);
    const PairGradient start = loss.at({}, config);
    // apo_down lowers both; an unmoved chosen answer is pushed as much by one term as by the other.
    if (loss.name == "apo_down")
      EXPECT_DOUBLE_EQ(start.dchosen, 0);
    else
      EXPECT_LT(start.dchosen, 0) << loss.name;
    EXPECT_GT(start.drejected, 0) << loss.name;
    if (!loss.needs_reference) continue;
    // Whatever the lengths and the log-probabilities: the run starts at this value.
    PairValues unmoved = kMoved;
    unmoved.reference_chosen = unmoved.chosen;
    unmoved.reference_rejected = unmoved.rejected;
    unmoved.moved = 0;
    EXPECT_DOUBLE_EQ(loss.at(unmoved, config).loss, start.loss) << loss.name;
    EXPECT_GT(start.loss, 0) << loss.name;
  }
}

TEST(PairLosses, StayFiniteForHugeMargins) {
  for (const PairLossConfig& config : all_configs()) {
    for (const double margin : {-1e6, 1e6}) {
      const PairGradient gradient = pair_loss_of(config).at({.chosen = margin}, config);
      EXPECT_TRUE(std::isfinite(gradient.loss)) << config.name << margin;
      EXPECT_TRUE(std::isfinite(gradient.dchosen)) << config.name << margin;
      EXPECT_TRUE(std::isfinite(gradient.drejected)) << config.name << margin;
    }
  }
}

TEST(PairLosses, DoNotLookAtAReferenceThatTheyDoNotNeed) {
  for (const PairLossConfig& config : all_configs()) {
    const PairLoss& loss = pair_loss_of(config);
    if (loss.needs_reference) continue;
    PairValues other = kMoved;
    other.reference_chosen = other.reference_rejected = 0;
    EXPECT_EQ(loss.at(other, config).loss, loss.at(kMoved, config).loss) << loss.name;
  }
}

TEST(PairLossConfig, RefusesUnknownNamesValuesOutOfRangeAndKeysThatDoNotApply) {
  EXPECT_ERROR(pair_loss_of({.name = "dop"}),
               "dpo.loss: expected " + alternatives(pair_losses()) + ", got \"dop\"");
  EXPECT_ERROR(pair_loss_of({.beta = 0}), "dpo.beta: expected a number over 0, got 0");
  EXPECT_ERROR(pair_loss_of({.label_smoothing = 0.5}), "dpo.label_smoothing: expected 0 to below");
  EXPECT_ERROR(pair_loss_of({.name = "ipo", .label_smoothing = 0.1}),
               "dpo.label_smoothing: it applies to dpo.loss = \"dpo\" or \"robust\" only");
  EXPECT_ERROR(pair_loss_of({.gamma = 1}), "dpo.gamma: it applies to dpo.loss = \"simpo\" only");
  EXPECT_ERROR(pair_loss_of({.name = "simpo", .gamma = -1}), "dpo.gamma: expected 0 or more");
}

TEST(PairLossConfig, HelpNamesEveryEntry) {
  PairLossConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  for (const PairLoss& loss : pair_losses())
    EXPECT_NE(fields.all()[0].help.find("\"" + loss.name + "\""), std::string::npos) << loss.name;
}

}  // namespace
}  // namespace minillm
