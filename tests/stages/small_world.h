// A world small enough to train all three stages on in seconds: its files, and configs that fit
// them.

#ifndef TESTS_STAGES_SMALL_WORLD_H_
#define TESTS_STAGES_SMALL_WORLD_H_

#include <string>

#include "libminillm/core/file.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "libminillm/world/world_files.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {

struct SmallWorld {
  TempDir directory;

  SmallWorld() {
    minillm::world::WorldOptions options;
    options.stories = 300;
    options.sft_rows = 120;
    options.pairs = 40;
    options.replay_facts = 20;
    options.second_documents = 60;
    for (const char* part : {"pretrain", "sft", "preference", "replay", "heldout"})
      for (const auto& file : minillm::world::make_world_files(options, part))
        directory.write(file.name, file.content);
  }
  std::string file(const std::string& name) const { return directory.file(name); }

  minillm::StageOptions options(const std::string& train, const std::string& eval,
                                const std::string& out, const std::string& init_from = "") const {
    minillm::StageOptions options;
    options.train_files = {file(train)};
    if (!eval.empty()) options.eval_files = {file(eval)};
    options.out = file(out);
    if (!init_from.empty()) options.init_from = file(init_from);
    return options;
  }
};

inline minillm::PretrainConfig small_pretrain() {
  minillm::PretrainConfig config;
  config.model.vocab_size = 600;
  config.model.hidden_size = 32;
  config.model.intermediate_size = 64;
  config.model.num_hidden_layers = 2;
  config.model.num_attention_heads = 4;
  config.model.num_key_value_heads = 2;
  config.model.head_dim = 8;
  config.model.max_position_embeddings = 256;
  config.train.steps = 12;
  config.train.batch_tokens = 512;
  config.train.schedule.learning_rate = 5e-3;
  config.train.log_every = 4;
  return config;
}

inline minillm::SftConfig small_sft() {
  minillm::SftConfig config;
  config.train.steps = 10;
  config.train.batch_tokens = 400;
  config.train.schedule.learning_rate = 3e-3;
  config.train.log_every = 5;
  return config;
}

inline minillm::DpoConfig small_dpo() {
  minillm::DpoConfig config;
  config.train.steps = 8;
  config.train.batch_tokens = 400;
  config.train.accumulation_steps = 2;
  config.train.schedule.learning_rate = 1e-3;
  config.train.log_every = 1;
  config.replay_tokens = 200;
  return config;
}

}  // namespace minillm_testing

#endif  // TESTS_STAGES_SMALL_WORLD_H_
