// Models, data and options small enough to train any stage in a second.

#ifndef TESTS_TESTING_SMALL_STAGES_H_
#define TESTS_TESTING_SMALL_STAGES_H_

#include <algorithm>
#include <string>

#include "libminillm/core/file.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/stage/stage.h"
#include "libminillm/world/world_files.h"

namespace minillm_testing {

// Heads of 8, two of them for keys and values. `width` is a multiple of 16.
inline minillm::ModelConfig small_model(minillm::Index vocab_size, minillm::Index width,
                                        minillm::Index blocks, minillm::Index context) {
  minillm::ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = width;
  config.intermediate_size = 2 * width;
  config.num_hidden_layers = blocks;
  config.num_attention_heads = width / 8;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = context;
  return config;
}

inline minillm::TrainConfig small_training(minillm::Index steps, minillm::Index batch_tokens,
                                           double learning_rate, minillm::Index log_every) {
  minillm::TrainConfig config;
  config.steps = steps;
  config.batch_tokens = batch_tokens;
  config.schedule.learning_rate = learning_rate;
  config.log_every = log_every;
  return config;
}

// Writes the files of a world that stages read, no more than `most_lines` of each.
inline void write_small_world(const std::string& directory,
                              const minillm::world::WorldOptions& options,
                              int most_lines = 1'000'000) {
  for (const char* part : {"pretrain", "sft", "preference", "replay", "heldout"}) {
    for (const auto& [name, content] : minillm::world::make_world_files(options, part)) {
      size_t end = 0;
      for (int line = 0; line < most_lines && end < content.size(); ++line)
        end = std::min(content.size(), content.find('\n', end)) + 1;
      minillm::write_file_atomic(minillm::join_path(directory, name), content.substr(0, end));
    }
  }
}

// Files of one directory. `eval` and `init_from` may be "".
inline minillm::StageOptions stage_options(const std::string& directory, const std::string& train,
                                           const std::string& eval, const std::string& init_from) {
  minillm::StageOptions options;
  options.train_files = {minillm::join_path(directory, train)};
  if (!eval.empty()) options.eval_files = {minillm::join_path(directory, eval)};
  if (!init_from.empty()) options.init_from = minillm::join_path(directory, init_from);
  return options;
}

}  // namespace minillm_testing

#endif  // TESTS_TESTING_SMALL_STAGES_H_
