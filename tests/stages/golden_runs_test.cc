// Runs that an earlier version began, stored in golden_runs/<version>/: every later version
// continues them, and ends with the weights that the earlier one reached. A new version adds a
// directory (golden_runs/make.sh writes it) and removes none.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/core/file.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/small_stages.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {
namespace {

using namespace minillm;

// A copy of what version 0.1.0 left, to be continued.
class GoldenRuns : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::filesystem::copy(MINILLM_SOURCE_DIR "/tests/stages/golden_runs/0.1.0", file(""),
                          std::filesystem::copy_options::recursive);
  }
  std::string file(const std::string& name) const { return directory_.file("golden/" + name); }
  std::string run() const { return file(GetParam()); }
  std::vector<Real> finished() const {
    const SafetensorsFile weights(join_path(run(), "finished.safetensors"));
    std::vector<Real> values;
    for (const SafetensorsTensor& tensor : weights.tensors()) {
      values.resize(values.size() + static_cast<size_t>(tensor.size));
      weights.read(tensor, std::span(values).last(static_cast<size_t>(tensor.size)));
    }
    return values;
  }
  std::vector<Real> reached() const {
    const Model model = Checkpoint::open(run()).load_model();
    return {model.parameters().begin(), model.parameters().end()};
  }

  template <typename Config>
  Config stored_config() const {
    Config config;
    ConfigFields fields;
    list_fields(fields, config);
    read_config_file(fields, file(std::string(GetParam()) + ".toml"));
    return config;
  }
  void resume(const std::function<void(TrainConfig&)>& change = {}) const {
    const std::string stage = GetParam();
    const auto options = [&](const char* train, const char* eval, const char* replay,
                             const char* init_from) {
      StageOptions files = stage_options(file(""), train, eval, init_from);
      if (*replay != 0) files.replay_files = {file(replay)};
      files.out = run();
      files.resume = true;
      return files;
    };
    const auto changed = [&](auto config) {
      if (change) change(config.train);
      return config;
    };
    if (stage == "pretrain") {
      StageOptions from_scratch = options("texts.jsonl", "held_out.jsonl", "", "");
      from_scratch.tokenizer = file("tokenizer.model");
      pretrain(changed(stored_config<PretrainConfig>()), from_scratch, {});
    } else if (stage == "sft") {
      sft(changed(stored_config<SftConfig>()),
          options("chats.jsonl", "chats.jsonl", "texts.jsonl", "pretrain"), {});
    } else {
      dpo(changed(stored_config<DpoConfig>()),
          options("pairs.jsonl", "pairs.jsonl", "chats.jsonl", "sft"), {});
    }
  }

  // Writes the run's checkpoint anew with another config in its record.
  void rewrite_config(const std::function<void(std::string&)>& edit) const {
    const Checkpoint stored = Checkpoint::open(run());
    const Model model = stored.load_model();
    const Tokenizer tokenizer = stored.tokenizer();
    std::vector<Real> first(model.parameters().size()), second(first.size());
    stored.load_moments(model.tensors(), first, second);
    TrainerState state = *stored.state();
    edit(state.lineage.back().config);
    std::filesystem::remove_all(stored.path());
    write_checkpoint(stored.path(),
                     {&model, &tokenizer, minillm::moments_in_memory(first, second), state});
  }

  // Instruction sets and compilers round differently, and by no more than this.
  static constexpr double kRounding = 1e-6;

 private:
  TempDir directory_;
};

// Without the line of a key.
void remove_line(std::string& config, const std::string& key) {
  const size_t begin = config.find("\n" + key + " = ");
  ASSERT_NE(begin, std::string::npos) << config;
  config.erase(begin, config.find('\n', begin + 1) - begin);
}

TEST_P(GoldenRuns, OfVersion010EndsWithTheWeightsThatItReached) {
  EXPECT_GT(relative_distance(reached(), finished()), 1e3 * kRounding);
  resume();
  EXPECT_EQ(Checkpoint::open(run()).state()->step, 6);
  EXPECT_LT(relative_distance(reached(), finished()), kRounding);
}

// What it will be like for the runs of today, once the config has one more field.
TEST_P(GoldenRuns, AFieldThatTheRunDidNotKnowHasItsDefault) {
  rewrite_config([](std::string& config) { remove_line(config, "spike_window"); });
  EXPECT_ERROR(resume([](TrainConfig& train) { train.spike_guard.window = 64; }),
               "train.spike_window was 128 and is 64");
  resume();
  EXPECT_LT(relative_distance(reached(), finished()), kRounding);
}

TEST_P(GoldenRuns, AFieldThatThisVersionDoesNotKnowIsNamed) {
  rewrite_config([](std::string& config) {
    config.insert(config.find("[train]\n") + 8, "dampening = 0.5\n");
  });
  EXPECT_ERROR(resume(), "train.dampening was 0.5, but no key is called that now");
}

// There was no choice then.
TEST_P(GoldenRuns, HadAdamW) {
  EXPECT_ERROR(resume([](TrainConfig& train) { train.optimizer = "muon"; }),
               "cannot resume, because this is another run: train.optimizer was 'adamw' and is "
               "'muon' (");
}

INSTANTIATE_TEST_SUITE_P(Stages, GoldenRuns, ::testing::Values("pretrain", "sft", "dpo"),
                         [](const auto& stage) { return std::string(stage.param); });

}  // namespace
}  // namespace minillm_testing
