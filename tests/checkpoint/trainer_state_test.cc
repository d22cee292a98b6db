#include "libminillm/checkpoint/trainer_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::sample_state;
using nlohmann::json;

TEST(TrainerState, RoundTripsToTheBit) {
  const TrainerState state = sample_state(123456789012);
  EXPECT_EQ(parse_trainer_state(trainer_state_to_json(state), "f"), state);
  EXPECT_EQ(parse_trainer_state(trainer_state_to_json({}), "f"), TrainerState());
}

TEST(TrainerState, HasHuggingFacesNames) {
  const json j = json::parse(trainer_state_to_json(sample_state(200)));
  EXPECT_EQ(j.at("global_step"), 200);
  EXPECT_EQ(j.at("num_input_tokens_seen"), 12345);
  EXPECT_EQ(j.at("best_metric"), 0.1 + 0.2);
  EXPECT_EQ(j.at("best_model_checkpoint"), "checkpoint-000002");
  EXPECT_TRUE(json::parse(trainer_state_to_json({})).at("best_model_checkpoint").is_null());
}

TEST(TrainerState, TakesALossThatIsNotFiniteForNone) {
  TrainerState state;
  state.best_eval_loss = NAN;
  EXPECT_FALSE(parse_trainer_state(trainer_state_to_json(state), "f").best_eval_loss.has_value());
}

TEST(TrainerState, NamesTheKeyThatIsWrong) {
  const auto changed = [](const char* key, const json& value) {
    json j = json::parse(trainer_state_to_json(sample_state(1)));
    j["minillm"][key] = value;
    return j.dump();
  };
  EXPECT_ERROR(parse_trainer_state("{}", "f"), "file 'f': key 'minillm' is missing");
  EXPECT_ERROR(parse_trainer_state(changed("step", nullptr), "f"),
               "file 'f': 'minillm': key 'step' is missing");
  EXPECT_ERROR(parse_trainer_state(changed("step", "1"), "f"),
               "'step': expected an integer, got \"1\"");
  EXPECT_ERROR(parse_trainer_state(changed("metrics_offset", -1), "f"),
               "expected an integer that is not negative");
  EXPECT_ERROR(parse_trainer_state(changed("lineage", {1}), "f"),
               "'lineage': expected a JSON object, got 1");
}

}  // namespace
}  // namespace minillm
