// A world small enough to train all three stages on in seconds: its files, and configs to match.

#ifndef TESTS_STAGES_SMALL_WORLD_H_
#define TESTS_STAGES_SMALL_WORLD_H_

#include <string>

#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "tests/testing/small_stages.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {

struct SmallWorld {
  TempDir directory;

  SmallWorld() {
    write_small_world(
        directory.path(),
        {.stories = 300, .sft_rows = 120, .pairs = 40, .replay_facts = 20, .second_documents = 60});
  }
  std::string file(const std::string& name) const { return directory.file(name); }

  minillm::StageOptions options(const std::string& train, const std::string& eval,
                                const std::string& out, const std::string& init_from = "") const {
    minillm::StageOptions options = stage_options(directory.path(), train, eval, init_from);
    options.out = file(out);
    return options;
  }
};

inline minillm::PretrainConfig small_pretrain() {
  minillm::PretrainConfig config;
  config.model = small_model(600, 32, 2, 256);
  config.train = small_training(12, 512, 5e-3, 4);
  return config;
}

inline minillm::SftConfig small_sft() {
  minillm::SftConfig config;
  config.train = small_training(10, 400, 3e-3, 5);
  return config;
}

inline minillm::DpoConfig small_dpo() {
  minillm::DpoConfig config;
  config.train = small_training(8, 400, 1e-3, 1);
  config.train.accumulation_steps = 2;
  config.replay_tokens = 200;
  return config;
}

}  // namespace minillm_testing

#endif  // TESTS_STAGES_SMALL_WORLD_H_
