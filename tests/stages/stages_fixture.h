// Small models of the first two stages, and what a test looks at of a run.

#ifndef TESTS_STAGES_STAGES_FIXTURE_H_
#define TESTS_STAGES_STAGES_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "tests/stages/small_world.h"

namespace minillm_testing {

using namespace minillm;
using nlohmann::json;

// One base and one chat model, trained once for all tests.
class Stages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new SmallWorld();
    pretrain(small_pretrain(), world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "base"),
             {});
    sft(small_sft(), world_->options("sft.jsonl", "sft_eval.jsonl", "chat", "base"), {});
  }
  static void TearDownTestSuite() { delete world_; }

  static std::string weights(const std::string& run) {
    return read_file(join_path(Checkpoint::open(world_->file(run)).path(), "model.safetensors"));
  }
  static std::string moments(const std::string& run) {
    return read_file(
        join_path(Checkpoint::open(world_->file(run)).path(), "optimizer.safetensors"));
  }
  // metrics.jsonl without what depends on the clock.
  static std::vector<json> metrics(const std::string& run) {
    std::vector<json> lines;
    std::istringstream text(read_file(join_path(world_->file(run), "metrics.jsonl")));
    for (std::string line; std::getline(text, line);) {
      json entry = json::parse(line);
      for (const char* key : {"time", "tokens_per_second", "eval_runtime"}) entry.erase(key);
      lines.push_back(entry);
    }
    return lines;
  }
  // Events that ask to stop after `step`.
  static TrainerEvents stop_after(Index step) {
    auto reached = std::make_shared<bool>(false);
    TrainerEvents events;
    events.on_step = [=](const StepReport& report) { *reached = report.step >= step; };
    events.stop_requested = [=] { return *reached; };
    return events;
  }
  static TrainOutcome run_dpo(const StageOptions& options, const TrainerEvents& events = {},
                              const DpoConfig& config = small_dpo()) {
    StageOptions with_replay = options;
    with_replay.replay_files = {world_->file("replay.jsonl")};
    return dpo(config, with_replay, events);
  }
  static inline SmallWorld* world_ = nullptr;
};

}  // namespace minillm_testing

#endif  // TESTS_STAGES_STAGES_FIXTURE_H_
