// minillm-bench train, sft, dpo, rl: training steps as a run takes them.

#include <algorithm>
#include <numeric>
#include <optional>

#include "libminillm/core/rng.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/generate/generator.h"
#include "libminillm/nn/adapter_config.h"
#include "libminillm/nn/model.h"
#include "libminillm/nn/trainable.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/preference.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/optim/optimizer.h"
#include "libminillm/rl/policy_batches.h"
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
  Optimizer optimizer;
  Workspace workspace;
  Index steps = 0;

  // `rank`: of an adapter that is trained instead of the model; 0: none.
  Training(const ModelConfig& config, Precision precision, Index rows, Index targets,
           Index rank = 0, const std::optional<MuonConfig>& muon = {})
      : model(initialized(config, precision, rank)),
        optimizer(*trainable().tensors, {.adamw = {}, .muon = muon}),
        workspace(config, rows, targets, Workspace::Mode::kTraining, model.inner_states()) {}
  static Model initialized(const ModelConfig& config, Precision precision, Index rank) {
    Model model(config);
    model.initialize(1);
    model.set_precision(precision);
    if (rank == 0) return model;
    const auto adapter = std::make_shared<Adapter>(config, lora_shape(config, {.rank = rank}));
    adapter->initialize(1, model.weights());
    model.adapt(adapter);
    return model;
  }
  Trainable trainable() { return trainable_of(model); }

  // Forward, loss, backward, norm, clipping, update: a step as in a run.
  void step(const TokenBatch& batch) {
    std::ranges::fill(trainable().gradients, Real{0});
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace);
    update(1 / static_cast<double>(batch.rows()));
  }
  void update(double scale) {
    const Trainable what = trainable();
    const double norm = scale * l2_norm(what.gradients);
    optimizer.update(what.parameters, what.gradients, scale * std::min(1.0, 1 / norm), 3e-4,
                     ++steps);
  }
};

}  // namespace

Json bench_train(const Size& size, Precision precision, TrainingKind kind, int repetitions,
                 const Machine& machine) {
  Rng rng(1);
  const TokenBatch batch = random_batch(size, rng);
  Training training(size.model(), precision, batch.rows(), batch.target_count(), 0,
                    kind.muon ? std::optional(MuonConfig{.precision = precision}) : std::nullopt);
  const double tokens = static_cast<double>(batch.rows());
  const double seconds = median_seconds(repetitions, [&] { training.step(batch); });
  const double update = median_seconds(repetitions, [&] { training.update(1 / tokens); });
  const double flops = tokens / seconds * size.training_flops_per_token();
  Json result = {{"tokens_per_second", tokens / seconds},
                 {"milliseconds_per_step", seconds * 1e3},
                 {"milliseconds_update", update * 1e3},
                 {"gflops", flops * 1e-9},
                 {"share_of_fp32_peak", flops / machine.flops}};
  if (kind.neighbour) {
    const BusyNeighbour process;
    const double beside = median_seconds(repetitions, [&] { training.step(batch); });
    result["tokens_per_second_beside_neighbour"] = tokens / beside;
    result["beside_neighbour_over_alone"] = seconds / beside;
  }
  return result;
}

// A step of LoRA on all matrices, and a full one of the same model, in turn.
Json bench_lora(const Size& size, Precision precision, Index rank, int repetitions) {
  Rng rng(1);
  const TokenBatch batch = random_batch(size, rng);
  Training full(size.model(), precision, batch.rows(), batch.target_count());
  Training lora(size.model(), precision, batch.rows(), batch.target_count(), rank);
  std::vector<double> full_times, lora_times;
  for (int i = 0; i <= repetitions; ++i) {
    const double begin = now();
    full.step(batch);
    const double middle = now();
    lora.step(batch);
    const double end = now();
    if (i == 0) continue;  // warms up
    full_times.push_back(middle - begin);
    lora_times.push_back(end - middle);
  }
  const auto bytes = [](Training& training) {
    return static_cast<double>(3 * training.trainable().parameters.size_bytes());
  };
  return {{"rank", rank},
          {"milliseconds_full_step", median(full_times) * 1e3},
          {"milliseconds_lora_step", median(lora_times) * 1e3},
          {"lora_over_full", median(lora_times) / median(full_times)},
          {"full_gradients_and_moments_megabytes", bytes(full) * 1e-6},
          {"lora_gradients_and_moments_megabytes", bytes(lora) * 1e-6}};
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

namespace {

// Pairs whose prompt is half of a sequence's tokens: the prompt once, then two answers that attend
// to it.
struct RandomPairs {
  TokenBatch batch;
  std::vector<PreferenceItem> items;
  std::vector<Index> ends;  // of each pair's targets

  RandomPairs(const Size& size, Rng& rng) {
    const Index half = size.T / 2;
    const auto random_token = [&] {
      return static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
    };
    for (Index pair = 0; pair < size.B / 2; ++pair) {
      const Index prompt = batch.rows();
      for (Index t = 0; t < half; ++t) batch.tokens.push_back(random_token());
      batch.segments.push_back({prompt, prompt + half, 0, 0});
      Index bounds[3] = {batch.target_count(), 0, 0};
      for (int answer = 0; answer < 2; ++answer) {
        const Index begin = batch.rows();
        for (Index t = 0; t < half; ++t) {
          batch.tokens.push_back(random_token());
          batch.targets.push_back({begin + t, random_token(), 1});
        }
        batch.segments.push_back({begin, begin + half, prompt, prompt + half});
        bounds[answer + 1] = batch.target_count();
      }
      items.push_back({{bounds[0], bounds[1], bounds[1], bounds[2]}, 0, 0});
      ends.push_back(bounds[2]);
    }
  }

  // A step of DPO whose reference is known.
  void step(Training& training) const {
    Model& model = training.model;
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(batch, training.workspace);
    size_t next = 0;
    for (HeadPass head = model.head_pass(batch, training.workspace, ends); head.next();) {
      const size_t first = next;
      while (next < items.size() && items[next].targets.rejected_end <= head.end()) ++next;
      pair_loss(head.dlogp(), head.logp(), std::span(items).subspan(first, next - first),
                pair_loss_of({}), {});
    }
    model.backward(batch, training.workspace);
    training.update(1 / static_cast<double>(items.size()));
  }
};

}  // namespace

// A step of DPO, compared with a forward pass over the same pairs side by side.
Json bench_dpo(const Size& size, Precision precision, int repetitions) {
  Rng rng(1);
  const TokenBatch side_by_side = random_batch(size, rng);
  const RandomPairs pairs(size, rng);
  Training training(size.model(), precision, std::max(pairs.batch.rows(), side_by_side.rows()),
                    side_by_side.target_count());
  // Alternating, so that what slows the machine down slows both.
  std::vector<double> forward, full;
  for (int i = 0; i <= repetitions; ++i) {
    const double begin = now();
    training.model.forward(side_by_side, training.workspace);
    training.model.log_probs(side_by_side, training.workspace);
    const double middle = now();
    pairs.step(training);
    const double end = now();
    if (i == 0) continue;  // warms up
    forward.push_back(middle - begin);
    full.push_back(end - middle);
  }
  return {{"milliseconds_per_step", median(full) * 1e3},
          {"milliseconds_forward_side_by_side", median(forward) * 1e3},
          {"step_over_forward", median(full) / median(forward)}};
}

// A step of reinforcement learning in its parts, and beside them what they are made of: plain
// decoding of as many streams, and a step of DPO. 16 questions of 32 tokens, 8 answers of 48.
Json bench_rl(const Size& size, Precision precision, int repetitions) {
  RlConfig config;
  config.train.batch_tokens = size.B * size.T;
  Rng rng(1);
  std::vector<AnswerGroup> groups(static_cast<size_t>(config.questions));
  std::vector<std::vector<Token>> prompts;
  for (AnswerGroup& group : groups) {
    for (int t = 0; t < 32; ++t)
      group.prompt.push_back(static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))));
    prompts.insert(prompts.end(), static_cast<size_t>(config.samples), group.prompt);
  }
  const RandomPairs pairs(size, rng);
  PolicyBatches batches(config, std::nullopt);
  Training training(size.model(), precision, std::max(pairs.batch.rows(), batches.max_rows(32)),
                    std::max(pairs.batch.target_count(), batches.max_targets(32)));
  Model& model = training.model;
  Workspace& workspace = training.workspace;
  const auto generate = [&](bool plain) {
    GenerationConfig generation;
    generation.sampling.temperature = plain ? 0 : 1;
    generation.log_probs = !plain;
    generation.max_tokens = config.max_tokens;
    generation.stop_tokens = {static_cast<Token>(size.V)};  // no token: never stops
    return Generator(model).generate_all(prompts, generation, std::ssize(prompts));
  };

  std::vector<double> decoding, rollouts, reference, learning, dpo;
  double rows = 0;
  for (int i = 0; i <= repetitions; ++i) {
    const double begin = now();
    generate(true);
    const double decoded = now();
    std::vector<Generation> said = generate(false);
    const double sampled = now();
    auto next = said.begin();
    for (AnswerGroup& group : groups) {
      group.answers.resize(static_cast<size_t>(config.samples));
      for (SampledAnswer& answer : group.answers) {
        answer.tokens = std::move(next->tokens);
        answer.sampled = std::move(next++->log_probs);
        answer.advantages.assign(answer.tokens.size(), rng.normal());
      }
    }
    batches.divide(groups);
    const double divided = now();
    for (Index k = 0; k < batches.count(); ++k) {
      TokenBatch answers;
      batches.append_answers_of(k, answers);
      model.forward(answers, workspace);
      const std::span<const Real> logp = model.log_probs(answers, workspace);
      auto of_answer = logp.begin();
      batches.for_each_answer(k, [&](SampledAnswer& answer) {
        const auto count = static_cast<std::ptrdiff_t>(answer.tokens.size());
        answer.reference.assign(of_answer, of_answer + count);
        of_answer += count;
      });
    }
    const double looked_up = now();
    rows = 0;
    std::ranges::fill(model.gradients(), Real{0});
    for (Index k = 0; k < batches.count(); ++k) {
      const PolicyBatch& batch = batches.batch(k, k);
      model.forward(batch.tokens, workspace);
      for (HeadPass head = model.head_pass(batch.tokens, workspace); head.next();) {
        const auto first = static_cast<size_t>(head.begin());
        const auto count = static_cast<size_t>(head.end() - head.begin());
        policy_gradient_loss(head.dlogp().subspan(first, count), head.logp().subspan(first, count),
                             batch.sampled_tokens().part(head.begin(), head.end()),
                             {.kl_weight = config.kl_weight});
      }
      model.backward(batch.tokens, workspace);
      rows += static_cast<double>(batch.tokens.rows());
    }
    training.update(1 / static_cast<double>(prompts.size()));
    const double learned = now();
    pairs.step(training);
    const double end = now();
    if (i == 0) continue;  // warms up
    decoding.push_back(decoded - begin);
    rollouts.push_back(sampled - decoded);
    reference.push_back(looked_up - divided);
    learning.push_back(learned - looked_up);
    dpo.push_back(end - learned);
  }
  const double answer_tokens = static_cast<double>(std::ssize(prompts) * config.max_tokens);
  const double pair_rows = static_cast<double>(pairs.batch.rows());
  return {{"rollout_tokens_per_second", answer_tokens / median(rollouts)},
          {"rollouts_over_plain_decoding", median(decoding) / median(rollouts)},
          {"training_rows_per_second", rows / median(learning)},
          {"training_over_dpo", rows / median(learning) / (pair_rows / median(dpo))},
          {"milliseconds_rollouts", median(rollouts) * 1e3},
          {"milliseconds_reference", median(reference) * 1e3},
          {"milliseconds_training", median(learning) * 1e3}};
}

}  // namespace minillm
