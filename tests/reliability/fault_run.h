// The runs that are put under faults: the three stages on a data set of a few kilobytes, with
// several checkpoints, rotation, a best checkpoint and a token cache.

#ifndef TESTS_RELIABILITY_FAULT_RUN_H_
#define TESTS_RELIABILITY_FAULT_RUN_H_

#include <sstream>
#include <string>

#include "libminillm/core/file.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "libminillm/world/world_files.h"

namespace minillm_testing {

inline minillm::TrainConfig small_train_config() {
  minillm::TrainConfig train;
  train.steps = 8;
  train.batch_tokens = 128;
  train.schedule.learning_rate = 3e-3;
  train.log_every = 2;
  train.save_every = 2;
  train.eval_every = 4;
  train.keep_last = 2;
  return train;
}

// Runs or continues `stage` ("pretrain", "sft", "dpo") in `out`.
inline void run_small_stage(const std::string& stage, const std::string& directory,
                            const std::string& out,
                            const minillm::TrainConfig& train = small_train_config(),
                            const minillm::TrainerEvents& events = {}) {
  using namespace minillm;
  const auto file = [&](const char* name) { return join_path(directory, name); };
  StageOptions options;
  options.out = out;
  options.resume = true;
  if (stage == "pretrain") {
    options.train_files = {file("pretrain.jsonl")};
    options.eval_files = {file("pretrain_eval.jsonl")};
    PretrainConfig config;
    config.model.vocab_size = 400;
    config.model.hidden_size = 16;
    config.model.intermediate_size = 32;
    config.model.num_hidden_layers = 1;
    config.model.num_attention_heads = 2;
    config.model.num_key_value_heads = 2;
    config.model.head_dim = 8;
    config.model.max_position_embeddings = 128;
    config.train = train;
    pretrain(config, options, file("tokenizer.model"), events);
  } else if (stage == "sft") {
    options.train_files = {file("sft.jsonl")};
    options.eval_files = {file("sft_eval.jsonl")};
    options.init_from = file("base");
    SftConfig config;
    config.train = train;
    sft(config, options, events);
  } else {
    options.train_files = {file("preference.jsonl")};
    options.eval_files = {file("preference_eval.jsonl")};
    options.init_from = file("chat");
    DpoConfig config;
    config.train = train;
    config.train.batch_tokens *= 2;
    dpo(config, options, events);
  }
}

// Writes the data of all three stages, a tokenizer, and the two models that stages begin with.
inline void prepare_small_stages(const std::string& directory) {
  using namespace minillm;
  world::WorldOptions world;
  world.stories = 30;
  world.sft_rows = 20;
  world.pairs = 12;
  world.replay_facts = 8;
  world.second_documents = 4;
  constexpr int kMostLines = 12;  // held-out files are as large as always
  for (const char* part : {"pretrain", "sft", "preference", "heldout"}) {
    for (const auto& file : world::make_world_files(world, part)) {
      size_t end = 0;
      for (int line = 0; line < kMostLines && end != std::string::npos; ++line)
        end = file.content.find('\n', end == 0 ? 0 : end + 1);
      write_file_atomic(join_path(directory, file.name), file.content.substr(0, end));
    }
  }
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
