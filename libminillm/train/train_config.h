// TrainConfig: what every stage's training loop can be told.

#ifndef LIBMINILLM_TRAIN_TRAIN_CONFIG_H_
#define LIBMINILLM_TRAIN_TRAIN_CONFIG_H_

#include "libminillm/core/config.h"
#include "libminillm/nn/adapter_config.h"
#include "libminillm/nn/workspace.h"   // Workspace::Mode
#include "libminillm/ops/gemm/gemm.h"  // Precision
#include "libminillm/optim/optimizer.h"
#include "libminillm/optim/schedule.h"
#include "libminillm/train/outer_config.h"
#include "libminillm/train/spike_guard.h"

namespace minillm {

struct TrainConfig {
  int64_t steps = 0;               // optimizer steps; 0 = as many as `epochs` take
  double epochs = 1;               // passes over the data, when steps is 0
  int64_t batch_tokens = 2048;     // rows a micro-batch is packed up to
  int64_t accumulation_steps = 1;  // micro-batches summed into one optimizer step
  // Sums that a step's gradient is added up from, each over accumulation_steps / slots
  // micro-batches: what decides its bits (train/gradient_sum.h).
  int64_t slots = 1;
  OuterConfig outer;  // replicas that meet now and then
  ScheduleConfig schedule;
  std::string optimizer = "adamw";  // or "muon": for the matrices of blocks, AdamW for the rest
  AdamWConfig adamw;
  double momentum = 0.95;      // of Muon, whose weight decay is AdamW's
  double max_grad_norm = 1.0;  // longer gradients are scaled down to it; 0 = never
  int64_t log_every = 10;      // steps between log lines
  int64_t eval_every = 0;      // steps between held-out evaluations; 0 = only at start and end
  int64_t save_every = 0;      // steps between checkpoints; 0 = only at the end
  // Minutes between checkpoints, so that no run is lost to what happens around it; 0 = never. Not
  // where spikes roll back, as what is computed would depend on the clock.
  double save_minutes = 10;
  int64_t patience = 0;            // evaluations without a new best one that end the run; 0 = never
  int64_t sample_every = 0;        // steps between printed samples; 0 = never
  int64_t keep_last = 2;           // checkpoints kept beside the best one
  std::string precision = "fp32";  // or "bf16": what the products' factors are rounded to
  std::string recompute = "none";  // or "block": keep only the blocks' inputs for backward
  // What matrices that are not trained are kept as: "stored", as their file has them, or "int8".
  std::string frozen_weights = "stored";
  SpikeGuardConfig spike_guard;
  AdapterConfig adapter;  // what is trained: the model, or an adapter on it
  uint64_t seed = 1;

  void validate() const;  // throws Error (kUsage) naming key, value and rule
};

Precision precision_of(const TrainConfig& config);
Workspace::Mode workspace_mode(const TrainConfig& config);
inline bool uses_muon(const TrainConfig& config) { return config.optimizer == "muon"; }
OptimizerConfig optimizer_config(const TrainConfig& config);
void list_fields(ConfigFields& fields, TrainConfig& config);  // keys "train.*", and the adapter's

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_TRAIN_CONFIG_H_
