// A checkpoint with everything in it, for the tests in this directory.

#ifndef TESTS_CHECKPOINT_SAMPLE_CHECKPOINT_H_
#define TESTS_CHECKPOINT_SAMPLE_CHECKPOINT_H_

#include <algorithm>
#include <limits>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/version.h"
#include "tests/testing/toy_model.h"

namespace minillm_testing {

inline minillm::TrainerState sample_state(int64_t step) {
  minillm::LineageEntry pretrain;
  pretrain.stage = "pretrain";
  pretrain.library_version = minillm::kVersion;
  pretrain.config = "[train]\nsteps = 100  # \"quoted\"\n";
  pretrain.hashes = {{"train", std::string(64, 'a')}, {"template", "chatml-space-v1"}};
  pretrain.seed = std::numeric_limits<uint64_t>::max();
  pretrain.steps = 100;
  pretrain.tokens = int64_t{1} << 60;
  minillm::LineageEntry sft = pretrain;
  sft.stage = "sft";
  sft.parent = std::string(64, 'b');
  minillm::TrainerState state;
  state.step = step;
  state.tokens = 12345;
  state.skipped_steps = std::min<int64_t>(3, step);
  state.consecutive_skips = 1;
  state.metrics_offset = uint64_t{1} << 40;
  state.best_eval_loss = 0.1 + 0.2;  // 17 digits
  state.best_step = std::min<int64_t>(2, step);
  state.lineage = {pretrain, sft};
  return state;
}

// Owns what CheckpointContents points at.
struct SampleCheckpoint {
  explicit SampleCheckpoint(uint64_t seed = 1, bool tied = true)
      : model(config(tied)), exp_avg(noise(seed + 1)), exp_avg_sq(noise(seed + 2)) {
    model.initialize(seed);
  }
  minillm::CheckpointContents contents(int64_t step = 7) const {
    return {&model, &toy_tokenizer(), minillm::moments_in_memory(exp_avg, exp_avg_sq),
            sample_state(step)};
  }

  minillm::Model model;
  mutable std::vector<minillm::Real> exp_avg, exp_avg_sq;

 private:
  static minillm::ModelConfig config(bool tied) {
    minillm::ModelConfig c = toy_config();
    c.tie_word_embeddings = tied;
    return c;
  }
  // Numbers of all magnitudes, down to the smallest subnormal.
  std::vector<minillm::Real> noise(uint64_t seed) const {
    minillm::Rng rng(seed);
    std::vector<minillm::Real> values(model.parameters().size());
    for (minillm::Real& x : values) {
      x = static_cast<minillm::Real>(std::ldexp(rng.normal(), -static_cast<int>(rng.below(140))));
    }
    values[0] = std::numeric_limits<minillm::Real>::denorm_min();
    values[1] = -0.0f;
    return values;
  }
};

}  // namespace minillm_testing

#endif  // TESTS_CHECKPOINT_SAMPLE_CHECKPOINT_H_
