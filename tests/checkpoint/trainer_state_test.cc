#include "libminillm/checkpoint/trainer_state.h"

#include <fmt/format.h>
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
               "'metrics_offset': expected 0 to ");
  // What a resumed run computes with is in its range when it is read.
  for (const char* key :
       {"step", "tokens", "skipped_steps", "consecutive_skips", "micro_batches", "planned_steps",
        "stale_evaluations", "metrics_offset", "rollbacks", "batches_left_out"}) {
    for (const int64_t number : {int64_t{-1}, INT64_MIN, INT64_MAX}) {
      json j = json::parse(changed(key, number));
      if (std::string(key) == "rollbacks" || std::string(key) == "batches_left_out") {
        j["minillm"]["spike_losses"] = j["minillm"]["spike_grad_norms"] = {1.0};
        j["minillm"].emplace("rollbacks", 0);
        j["minillm"].emplace("batches_left_out", 0);
      }
      EXPECT_ERROR(parse_trainer_state(j.dump(), "f"), fmt::format("'{}': expected 0 to ", key));
    }
  }
  EXPECT_ERROR(parse_trainer_state(changed("best_step", -2), "f"), "'best_step': expected -1 to ");
  EXPECT_ERROR(parse_trainer_state(changed("skipped_steps", 2), "f"),
               "'skipped_steps': expected 0 to 1, got 2");
  EXPECT_ERROR(parse_trainer_state(changed("lineage", {1}), "f"),
               "'lineage': expected a JSON object, got 1");
}

}  // namespace
}  // namespace minillm
