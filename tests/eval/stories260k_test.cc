// A model trained by others (karpathy/tinyllamas, 260K parameters) against a float64 forward pass
// that was written independently.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/generator.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

class Stories260K : public ::testing::Test {
 protected:
  void SetUp() override {
    MINILLM_REQUIRE_TEST_DATA("weights/stories260K_hf");
    model_ =
        Checkpoint::open(minillm_testing::test_data_path("weights/stories260K_hf")).load_model();
  }
  static nlohmann::json reference(const std::string& name) {
    std::ifstream file(minillm_testing::test_data_path("weights/" + name));
    return nlohmann::json::parse(file);
  }
  Model model_{ModelConfig()};
};

TEST_F(Stories260K, LogProbabilitiesMatchTheReference) {
  const nlohmann::json expected = reference("stories260K_reference.json");
  size_t compared = 0;
  for (const auto& prompt : expected["cases"]) {
    const std::vector<Token> ids = prompt["ids"];
    const std::vector<double> nll = prompt["nll_per_next_token"];
    if (nll.empty()) continue;  // the beginning alone: nothing is predicted
    compared += nll.size();
    const std::vector<Real> logp = token_log_probs(model_, ids);
    ASSERT_EQ(logp.size(), nll.size());
    for (size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(-logp[i], nll[i], 1e-4) << "token " << i;
  }
  EXPECT_GT(compared, 20u);
}

TEST_F(Stories260K, SummedLossOfWholeStoriesMatchesTheReference) {
  double sum = 0, tokens = 0;
  const nlohmann::json expected = reference("stories260K_ppl_reference.json");
  for (const auto& story : expected["stories"]) {
    const std::vector<Token> ids = story["ids"];
    double nll = 0;
    for (const Real logp : token_log_probs(model_, ids)) nll -= logp;
    const auto count = static_cast<double>(ids.size() - 1);
    EXPECT_NEAR(nll / count, story["sum_nll"].get<double>() / count, 1e-4);
    sum += nll;
    tokens += count;
  }
  EXPECT_NEAR(sum / tokens, expected["mean_nll"].get<double>(), 1e-4);
}

TEST_F(Stories260K, GreedyContinuationEqualsTheReference) {
  const nlohmann::json expected = reference("stories260K_reference.json")["greedy"];
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = 40;
  const Generation result =
      Generator(model_).generate(expected["start"].get<std::vector<Token>>(), config);
  EXPECT_EQ(result.tokens, expected["next_40"].get<std::vector<Token>>());
}

}  // namespace
}  // namespace minillm
