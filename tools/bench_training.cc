// minillm-bench train, sft, dpo: training steps as a run takes them.

#include <algorithm>
#include <numeric>

#include "libminillm/core/rng.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/nn/model.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/preference.h"
#include "libminillm/optim/adamw.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/stage/conversation_dataset.h"
#include "tools/bench.h"

namespace minillm {
namespace {

TokenBatch random_batch(const Size& size, Rng& rng) {
  TokenBatch batch;
  for (Index b = 0; b < size.B; ++b) {
    const Index begin = batch.rows();
    for (Index t = 0; t < size.T; ++t) {
      batch.tokens.push_back(static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))));
      batch.targets.push_back(
          {begin + t, static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))), 1});
    }
    batch.segments.push_back({begin, begin + size.T, 0, 0});
  }
  return batch;
}

// A model and all that a training step needs.
struct Training {
  Model model;
  AdamW adamw;
  Workspace workspace;
  Index steps = 0;

  Training(const ModelConfig& config, Precision precision, Index rows, Index targets)
      : model(initialized(config, precision)),
        adamw(model.tensors(), {}),
        workspace(config, rows, targets, Workspace::Mode::kTraining) {}
  static Model initialized(const ModelConfig& config, Precision precision) {
    Model model(config);
    model.initialize(1);
    model.set_precision(precision);
    return model;
  }

  // Forward, loss, backward, norm, clipping, update: a step as in a run.
  void step(const TokenBatch& batch) {
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace);
    update(1 / static_cast<double>(batch.rows()));
  }
  void update(double scale) {
    const double norm = scale * l2_norm(model.gradients());
    adamw.update(model.parameters(), model.gradients(), scale * std::min(1.0, 1 / norm), 3e-4,
                 ++steps);
  }
};

}  // namespace

Json bench_train(const Size& size, Precision precision, int repetitions, const Machine& machine) {
  Rng rng(1);
  const TokenBatch batch = random_batch(size, rng);
  Training training(size.model(), precision, batch.rows(), batch.target_count());
  const double seconds = median_seconds(repetitions, [&] { training.step(batch); });
  const double tokens = static_cast<double>(batch.rows()) / seconds;
  return {{"tokens_per_second", tokens},
          {"milliseconds_per_step", seconds * 1e3},
          {"gflops", tokens * size.training_flops_per_token() * 1e-9},
          {"share_of_fp32_peak", tokens * size.training_flops_per_token() / machine.flops}};
}

// Steps on real conversations, packed, alternating with pretraining steps of the same model. All
// tokens are the conversations': there is no padding.
Json bench_sft(const Size& size, Precision precision, int repetitions, const std::string& data,
               const std::string& tokenizer_path) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_path);
  Size sized = size;
  sized.V = tokenizer.vocab_size();
  RenderedConversations rows = render_conversations(
      read_conversations({data}, BadRecordPolicy::kSkip), tokenizer, size.T, {});
  ConversationDataset dataset(std::move(rows.sequences), size.B * size.T, 1);
  Rng rng(1);
  const TokenBatch plain = random_batch(sized, rng);
  const Index room = std::max(plain.rows(), dataset.max_rows());
  Training training(sized.model(), precision, room, room);
  std::vector<double> sft_rates, plain_rates, supervised;
  for (Index i = 0; i <= repetitions; ++i) {
    const TokenBatch& batch = dataset.batch(i);
    const double begin = now();
    training.step(batch);
    const double middle = now();
    training.step(plain);
    const double end = now();
    if (i == 0) continue;  // warms up
    sft_rates.push_back(static_cast<double>(batch.rows()) / (middle - begin));
    plain_rates.push_back(static_cast<double>(plain.rows()) / (end - middle));
    supervised.push_back(static_cast<double>(batch.target_count()) /
                         static_cast<double>(batch.rows()));
  }
  return {{"tokens_per_second", median(sft_rates)},
          {"pretraining_tokens_per_second", median(plain_rates)},
          {"ratio", median(sft_rates) / median(plain_rates)},
          {"share_of_tokens_with_loss", median(supervised)}};
}

// A step on pairs whose prompt is half of the tokens, compared with a forward pass over the same
// pairs side by side.
Json bench_dpo(const Size& size, Precision precision, int repetitions) {
  Rng rng(1);
  const Index half = size.T / 2;
  const TokenBatch side_by_side = random_batch(size, rng);
  // Shared: prompt once, then two answers that attend to it.
  TokenBatch shared;
  std::vector<PreferenceItem> items;
  std::vector<Index> pair_ends;
  const auto random_token = [&] {
    return static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
  };
  for (Index pair = 0; pair < size.B / 2; ++pair) {
    const Index prompt = shared.rows();
    for (Index t = 0; t < half; ++t) shared.tokens.push_back(random_token());
    shared.segments.push_back({prompt, prompt + half, 0, 0});
    Index bounds[3] = {shared.target_count(), 0, 0};
    for (int answer = 0; answer < 2; ++answer) {
      const Index begin = shared.rows();
      for (Index t = 0; t < half; ++t) {
        shared.tokens.push_back(random_token());
        shared.targets.push_back({begin + t, random_token(), 1});
      }
      shared.segments.push_back({begin, begin + half, prompt, prompt + half});
      bounds[answer + 1] = shared.target_count();
    }
    items.push_back({{bounds[0], bounds[1], bounds[1], bounds[2]}, 0, 0});
    pair_ends.push_back(bounds[2]);
  }
  Training training(size.model(), precision, std::max(shared.rows(), side_by_side.rows()),
                    side_by_side.target_count());
  Model& model = training.model;
  Workspace& workspace = training.workspace;
  // Alternating, so that what slows the machine down slows both.
  std::vector<double> forward, full;
  for (int i = 0; i <= repetitions; ++i) {
    const double begin = now();
    model.forward(side_by_side, workspace);
    model.log_probs(side_by_side, workspace);
    const double middle = now();
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(shared, workspace);
    size_t next = 0;
    for (HeadPass head = model.head_pass(shared, workspace, pair_ends); head.next();) {
      const size_t first = next;
      while (next < items.size() && items[next].targets.rejected_end <= head.end()) ++next;
      pair_loss(head.dlogp(), head.logp(), std::span(items).subspan(first, next - first),
                pair_loss_of({}), {});
    }
    model.backward(shared, workspace);
    training.update(1 / static_cast<double>(items.size()));
    const double end = now();
    if (i == 0) continue;  // warms up
    forward.push_back(middle - begin);
    full.push_back(end - middle);
  }
  return {{"milliseconds_per_step", median(full) * 1e3},
          {"milliseconds_forward_side_by_side", median(forward) * 1e3},
          {"step_over_forward", median(full) / median(forward)}};
}

}  // namespace minillm
