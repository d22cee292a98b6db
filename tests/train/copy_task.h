// A stage small enough for a unit test: a tiny model learns to repeat three symbols backwards.

#ifndef TESTS_TRAIN_COPY_TASK_H_
#define TESTS_TRAIN_COPY_TASK_H_

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace minillm_testing {

inline minillm::ModelConfig copy_task_config() {
  minillm::ModelConfig config = tiny_config();
  config.vocab_size = 32;
  config.hidden_size = 16;
  config.intermediate_size = 32;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  config.initializer_range = 0.1;
  return config;
}

// `sequences` times: three symbols, a separator, the same symbols reversed, which are the targets.
inline TokenBatch copy_task_batch(Index sequences, uint64_t seed) {
  minillm::Rng rng(seed, 31);
  TokenBatch batch;
  for (Index s = 0; s < sequences; ++s) {
    std::vector<Token> tokens(7, 1);
    for (size_t i = 0; i < 3; ++i) tokens[i] = tokens[6 - i] = static_cast<Token>(8 + rng.below(8));
    append_sequence(batch, tokens, 4);
  }
  return batch;
}

// What a stage is to the Trainer. Faults are planted in the steps named below.
struct CopyTask {
  minillm::Model model{copy_task_config()};
  minillm::Workspace workspace{copy_task_config(), 512, 512, minillm::Workspace::Mode::kTraining};
  std::vector<Real> dlogp;
  Index accumulation = 1;  // as the config has it
  std::function<TokenBatch(Index step, Index micro)> batch_of = [](Index step, Index micro) {
    return copy_task_batch(4, static_cast<uint64_t>(1000 * step + micro));
  };
  std::set<Index> nan_gradient_steps, nan_loss_steps;  // 0-based
  Index crash_step = -1;   // throws there, as if the process had been killed
  double step_losses = 0;  // for take_step_metrics
  double steps_seen = 0, largest_loss = 0;

  CopyTask() { model.initialize(1); }

  minillm::Contribution micro_step(Index i) {
    const Index step = i / accumulation, micro = i % accumulation;
    if (step == crash_step) throw std::runtime_error("crash");
    const TokenBatch batch = batch_of(step, micro);
    model.forward(batch, workspace);
    const auto logp = model.log_probs(batch, workspace);
    dlogp.assign(logp.size(), 0);
    minillm::Contribution sum = minillm::next_token_loss(dlogp, logp, batch.targets);
    model.backward(batch, dlogp, workspace);
    sum.tokens = batch.rows();
    step_losses += sum.loss;
    steps_seen += 1;
    largest_loss = std::max(largest_loss, sum.loss);
    constexpr auto kNan = std::numeric_limits<double>::quiet_NaN();
    if (nan_loss_steps.contains(step)) sum.loss = kNan;
    if (nan_gradient_steps.contains(step)) {
      const auto* tensor = model.tensors().find("model.layers.1.mlp.up_proj.weight");
      model.gradients()[static_cast<size_t>(tensor->offset + 5)] = static_cast<Real>(kNan);
    }
    return sum;
  }

  double mean_loss(const TokenBatch& batch) const {
    double sum = 0;
    for (Real logp : run_forward(model, batch).logp) sum -= logp;
    return sum / static_cast<double>(batch.target_count());
  }

  // A stage with everything; tests take away or replace what they need.
  minillm::TrainingTask stage() {
    minillm::TrainingTask stage = minillm::model_task(model, nullptr);
    stage.micro_step = [this](Index i) { return micro_step(i); };
    stage.epoch = [this](Index i) { return static_cast<double>(i / accumulation) / 8; };
    stage.take_step_metrics = [this] {
      const minillm::Metrics metrics = {{"sum_of_losses", step_losses},
                                        {"micro_steps", steps_seen},
                                        {"largest_loss", largest_loss}};
      step_losses = steps_seen = largest_loss = 0;
      return metrics;
    };
    stage.sums = {
        {&step_losses}, {&steps_seen}, {&largest_loss, minillm::StageSum::Kind::kLargest}};
    stage.evaluate = [this] {
      return minillm::Metrics{{"eval_loss", mean_loss(copy_task_batch(16, 99))}};
    };
    stage.provenance.stage = "copy";
    stage.provenance.hashes = {{"train", "abc"}};
    stage.provenance.seed = 1;
    return stage;
  }
};

// Ten steps that log, evaluate and save in the middle.
inline minillm::TrainConfig ten_steps() {
  minillm::TrainConfig config;
  config.steps = 10;
  config.schedule.learning_rate = 0.01;
  config.log_every = 1;
  config.save_every = 5;
  config.eval_every = 4;
  config.keep_last = 10;
  return config;
}

}  // namespace minillm_testing

#endif  // TESTS_TRAIN_COPY_TASK_H_
