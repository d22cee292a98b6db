// TrainerState: what a checkpoint holds besides weights and moments, for a run to continue exactly.

#ifndef LIBMINILLM_CHECKPOINT_TRAINER_STATE_H_
#define LIBMINILLM_CHECKPOINT_TRAINER_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace minillm {

// One ancestor stage: which code, config and data made the weights what they are.
struct LineageEntry {
  std::string stage;            // "pretrain", "sft", "dpo"
  std::string library_version;  // kVersion
  std::string config;           // the resolved config as TOML
  // "train", "eval", "tokenizer", "template", ...: SHA-256 or id.
  std::map<std::string, std::string> hashes;
  std::string parent;  // SHA-256 of the parent's weights; empty if trained from scratch
  uint64_t seed = 0;
  int64_t steps = 0;   // optimizer steps done
  int64_t tokens = 0;  // tokens trained on
  bool operator==(const LineageEntry&) const = default;
};

// The last steps' losses and gradient norms, oldest first: what the spike guard compares with.
// Saved, so that a resumed run is guarded from its first step on and decides the same way.
struct SpikeWindow {
  std::vector<double> losses, grad_norms;  // of equal length
  bool operator==(const SpikeWindow&) const = default;
};

// Everything that an exact resume needs. There is no random state, and the data cursor is a count:
// batches are pure functions of the seed and their number, which is `micro_batches` or, where every
// step so far had the same number of them, (step + batches_left_out) times that.
struct TrainerState {
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t skipped_steps = 0;  // steps without an update: not finite, or no targets
  int64_t consecutive_skips = 0;
  int64_t rollbacks = 0;                 // returns to a checkpoint after a loss spike
  int64_t batches_left_out = 0;          // steps' worth of data that the rollbacks left out
  std::string base_path;                 // of an adapter: its base, as seen from the checkpoint
  int64_t micro_batches = 0;             // computed so far; 0 where every step had the same number
  SpikeWindow spike_window;              // empty if the guard is off
  uint64_t metrics_offset = 0;           // bytes of metrics.jsonl that belong to steps <= step
  std::optional<double> best_eval_loss;  // or another metric, if the stage decides by one
  int64_t best_step = -1;
  int64_t stale_evaluations = 0;      // since the best one, for train.patience
  int64_t planned_steps = 0;          // of the whole run; 0: an older version wrote it
  std::vector<LineageEntry> lineage;  // oldest first; the last entry is this run
  bool operator==(const TrainerState&) const = default;
};

// trainer_state.json. Reading it back gives the same values to the bit. A value that Hugging Face's
// Trainer has a name for is there under that name too; what we read is under "minillm".
std::string trainer_state_to_json(const TrainerState& state);
// Errors call the file `name`. Throws Error on broken JSON, a missing key, a wrong type, or
// a number out of its range.
TrainerState parse_trainer_state(const std::string& json, const std::string& name);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_TRAINER_STATE_H_
