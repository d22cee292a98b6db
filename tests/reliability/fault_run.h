// The runs that are put under faults: the stages, and one with an adapter ("lora"), on a data set
// of a few kilobytes, with several checkpoints, rotation, a best checkpoint and a token cache.

#ifndef TESTS_RELIABILITY_FAULT_RUN_H_
#define TESTS_RELIABILITY_FAULT_RUN_H_

#include <sstream>
#include <string>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/reward/reward.h"
#include "libminillm/rl/rl.h"
#include "libminillm/sft/sft.h"
#include "tests/testing/small_stages.h"

namespace minillm_testing {

inline minillm::TrainConfig small_train_config() {
  minillm::TrainConfig train = small_training(8, 128, 3e-3, 2);
  train.save_every = 2;
  train.eval_every = 4;
  train.keep_last = 2;
  return train;
}

// Runs or continues a stage in `out`.
inline void run_small_stage(const std::string& stage, const std::string& directory,
                            const std::string& out,
                            const minillm::TrainConfig& train = small_train_config(),
                            const minillm::TrainerEvents& events = {}) {
  using namespace minillm;
  const auto options = [&](const std::string& data, const std::string& init_from) {
    StageOptions files = stage_options(directory, data + ".jsonl", data + "_eval.jsonl", init_from);
    files.out = out;
    files.resume = true;
    return files;
  };
  if (stage == "pretrain") {
    PretrainConfig config;
    config.model = small_model(400, 16, 1, 128);
    config.train = train;
    StageOptions from_scratch = options(stage, "");
    from_scratch.tokenizer = join_path(directory, "tokenizer.model");
    pretrain(config, from_scratch, events);
  } else if (stage == "sft" || stage == "lora") {
    SftConfig config;
    config.train = train;
    if (stage == "lora") config.train.adapter.lora.rank = 2;
    sft(config, options("sft", "base"), events);
  } else if (stage == "dpo") {
    DpoConfig config;
    config.train = train;
    config.train.batch_tokens *= 2;
    dpo(config, options("preference", "chat"), events);
  } else if (stage == "reward") {
    RewardConfig config;
    config.train = train;
    config.train.batch_tokens *= 2;
    train_reward(config, options("preference", "chat"), events);
  } else if (stage == "rl") {
    RlConfig config;
    config.train = train;
    config.reward = "ended,length:-0.1";
    config.questions = config.samples = 2;
    config.max_tokens = 6;
    config.replay_tokens = 64;
    StageOptions files = options("sft", "chat");
    files.train_files = files.eval_files = {join_path(directory, "prompts.jsonl")};
    files.replay_files = {join_path(directory, "sft.jsonl")};
    rl(config, files, events);
  } else {
    throw minillm::Error("no small run of a stage '" + stage + "'");
  }
}

// Writes the data of all three stages, a tokenizer, and the two models that stages begin with.
inline void prepare_small_stages(const std::string& directory) {
  using namespace minillm;
  write_small_world(
      directory,
      {.stories = 30, .sft_rows = 20, .pairs = 12, .replay_facts = 8, .second_documents = 4},
      /*most_lines=*/12);
  std::istringstream lines(read_file(join_path(directory, "pretrain.jsonl")));
  const auto next_line = [&](std::string& text) {
    return static_cast<bool>(std::getline(lines, text));
  };
  write_file_atomic(join_path(directory, "tokenizer.model"),
                    train_tokenizer(next_line, {.vocab_size = 400}));
  run_small_stage("pretrain", directory, join_path(directory, "base"));
  run_small_stage("sft", directory, join_path(directory, "chat"));
}

}  // namespace minillm_testing

#endif  // TESTS_RELIABILITY_FAULT_RUN_H_
