#include "libminillm/train/train_config.h"

#include "libminillm/core/check.h"

namespace minillm {

namespace {

// There is one model to look at, or to save, only where replicas meet.
void validate_outer(const TrainConfig& config) {
  const OuterConfig& outer = config.outer;
  expect_in_range("outer.every", outer.every, 1, kMaxConfigCount);
  MINILLM_CHECK_USAGE(outer.learning_rate > 0,
                      "config: outer.learning_rate: expected a number > 0, got {}",
                      outer.learning_rate);
  MINILLM_CHECK_USAGE(outer.momentum >= 0 && outer.momentum < 1,
                      "config: outer.momentum: expected 0 <= momentum < 1, got {}", outer.momentum);
  MINILLM_CHECK_USAGE(config.slots == 1,
                      "config: train.slots: expected 1 with outer.replicas, as a replica's "
                      "gradient is one sum, got {}",
                      config.slots);
  MINILLM_CHECK_USAGE(outer.replicas <= config.accumulation_steps,
                      "config: outer.replicas: expected at most train.accumulation_steps = {}, as "
                      "a replica has micro-batches of its own, got {}",
                      config.accumulation_steps, outer.replicas);
  const std::pair<const char*, int64_t> schedules[] = {{"train.eval_every", config.eval_every},
                                                       {"train.save_every", config.save_every},
                                                       {"train.sample_every", config.sample_every}};
  for (const auto& [name, every] : schedules)
    MINILLM_CHECK_USAGE(every % outer.every == 0,
                        "config: {}: expected a multiple of outer.every = {}, as there is no one "
                        "model in between, got {}",
                        name, outer.every, every);
}

}  // namespace

void TrainConfig::validate() const {
  constexpr int64_t kMany = kMaxConfigCount;
  expect_in_range("train.steps", steps, 0, kMany);
  MINILLM_CHECK_USAGE(steps > 0 || (0 < epochs && epochs <= 1e6),
                      "config: train.epochs: expected a number > 0 and at most 1e6 where "
                      "train.steps is 0, got {}",
                      epochs);
  expect_in_range("train.batch_tokens", batch_tokens, 1, kMany);
  expect_in_range("train.accumulation_steps", accumulation_steps, 1, 1'000'000);
  expect_in_range("train.slots", slots, 1, 4096);
  expect_in_range("train.log_every", log_every, 1, kMany);
  expect_in_range("train.eval_every", eval_every, 0, kMany);
  expect_in_range("train.save_every", save_every, 0, kMany);
  expect_in_range("train.patience", patience, 0, kMany);
  MINILLM_CHECK_USAGE(save_minutes >= 0,
                      "config: train.save_minutes: expected a number >= 0, got {}", save_minutes);
  expect_in_range("train.sample_every", sample_every, 0, kMany);
  expect_in_range("train.keep_last", keep_last, 1, kMany);
  MINILLM_CHECK_USAGE(max_grad_norm >= 0,
                      "config: train.max_grad_norm: expected a number >= 0, got {}", max_grad_norm);
  MINILLM_CHECK_USAGE(precision == "fp32" || precision == "bf16",
                      "config: train.precision: expected \"fp32\" or \"bf16\", got \"{}\"",
                      precision);
  MINILLM_CHECK_USAGE(recompute == "none" || recompute == "block",
                      "config: train.recompute: expected \"none\" or \"block\", got \"{}\"",
                      recompute);
  MINILLM_CHECK_USAGE(frozen_weights == "stored" || frozen_weights == "int8",
                      "config: train.frozen_weights: expected \"stored\" or \"int8\", got \"{}\"",
                      frozen_weights);
  MINILLM_CHECK_USAGE(frozen_weights == "stored" || adapter.enabled(),
                      "config: train.frozen_weights: expected \"stored\" where all weights are "
                      "trained (set lora.rank for an adapter on frozen ones), got \"{}\"",
                      frozen_weights);
  MINILLM_CHECK_USAGE(optimizer == "adamw" || optimizer == "muon",
                      "config: train.optimizer: expected \"adamw\" or \"muon\", got \"{}\"",
                      optimizer);
  MINILLM_CHECK_USAGE(!uses_muon(*this) || !adapter.enabled(),
                      "config: train.optimizer: expected \"adamw\" where an adapter is trained, as "
                      "Muon moves the matrices of a model's blocks, got \"{}\"",
                      optimizer);
  expect_in_range("outer.replicas", outer.replicas, 0, 4096);
  if (outer.replicas > 0) validate_outer(*this);
  schedule.validate();
  adamw.validate();
  MuonConfig{.momentum = momentum}.validate();
  spike_guard.validate();
  adapter.validate();
}

Precision precision_of(const TrainConfig& config) {
  return config.precision == "bf16" ? Precision::kBfloat16 : Precision::kFloat;
}

Workspace::Mode workspace_mode(const TrainConfig& config) {
  return config.recompute == "block" ? Workspace::Mode::kRecompute : Workspace::Mode::kTraining;
}

// Newton-Schulz rounds factors as all products of the run do.
OptimizerConfig optimizer_config(const TrainConfig& config) {
  OptimizerConfig optimizer{.adamw = config.adamw};
  if (uses_muon(config))
    optimizer.muon = MuonConfig{.momentum = config.momentum,
                                .weight_decay = config.adamw.weight_decay,
                                .precision = precision_of(config)};
  return optimizer;
}

void list_fields(ConfigFields& fields, TrainConfig& c) {
  fields.add("train.steps", c.steps, "optimizer steps; 0 = as many as train.epochs needs");
  fields.add("train.epochs", c.epochs, "passes over the data, used if train.steps is 0");
  fields.add("train.batch_tokens", c.batch_tokens, "most tokens in a micro-batch");
  fields.add("train.accumulation_steps", c.accumulation_steps, "micro-batches per optimizer step");
  fields.add("train.slots", c.slots,
             "sums that a step's gradient is added up from, in a fixed order; at most "
             "train.accumulation_steps");
  fields.add("outer.replicas", c.outer.replicas,
             "copies that train alone and meet every outer.every steps (DiLoCo); 0 = none");
  fields.add("outer.every", c.outer.every, "steps from one meeting of the replicas to the next");
  fields.add("outer.learning_rate", c.outer.learning_rate,
             "how far the model follows the mean of its replicas");
  fields.add("outer.momentum", c.outer.momentum, "Nesterov momentum of that");
  fields.add("train.learning_rate", c.schedule.learning_rate, "peak learning rate");
  fields.add("train.embedding_rate", c.adamw.embedding_rate,
             "learning rate of the embedding and the output head over train.learning_rate");
  fields.add("train.schedule", c.schedule.kind,
             "cosine, linear, wsd (warm-up, stable, decay) or constant");
  fields.add("train.final_ratio", c.schedule.final_ratio,
             "final learning rate as a fraction of the peak");
  fields.add("train.warmup_ratio", c.schedule.warmup_ratio,
             "fraction of the steps spent warming up to the peak");
  fields.add("train.decay_ratio", c.schedule.decay_ratio,
             "wsd: fraction of the steps spent in the final decay");
  fields.add("train.optimizer", c.optimizer,
             "adamw, or muon: orthogonal updates for the matrices of blocks, AdamW for the rest");
  fields.add("train.momentum", c.momentum, "Muon: decay of the momentum");
  fields.add("train.beta1", c.adamw.beta1, "AdamW: decay of the first moments");
  fields.add("train.beta2", c.adamw.beta2, "AdamW: decay of the second moments");
  fields.add("train.epsilon", c.adamw.epsilon, "AdamW: added to the denominator");
  fields.add("train.weight_decay", c.adamw.weight_decay, "decoupled weight decay, matrices only");
  fields.add("train.max_grad_norm", c.max_grad_norm, "clip the gradient to this norm; 0 = never");
  fields.add("train.log_every", c.log_every, "steps between log lines");
  fields.add("train.eval_every", c.eval_every, "steps between evaluations; 0 = start and end only");
  fields.add("train.save_every", c.save_every,
             "steps between checkpoints; 0 = by train.save_minutes only");
  fields.add("train.save_minutes", c.save_minutes,
             "minutes between checkpoints, beside train.save_every; 0 = never");
  fields.add("train.patience", c.patience,
             "evaluations without a new best one that end the run; 0 = never");
  fields.add("train.sample_every", c.sample_every, "steps between printed samples; 0 = never");
  fields.add("train.keep_last", c.keep_last, "newest checkpoints to keep, besides the best one");
  fields.add("train.precision", c.precision,
             "fp32, or bf16: inputs of matrix products are rounded to bfloat16; sums and weights "
             "stay fp32");
  fields.add("train.recompute", c.recompute,
             "none, or block: keep only each block's input and recompute the rest in backward");
  fields.add(
      "train.frozen_weights", c.frozen_weights,
      "under an adapter: stored, the model's matrices as their file has them, or int8: rounded "
      "to 8 bits, in a quarter of fp32's memory");
  list_fields(fields, c.spike_guard);
  fields.add("train.seed", c.seed, "seed of the initial weights and the data order");
  list_fields(fields, c.adapter);
}

}  // namespace minillm
