// Models small enough to check exhaustively, and the batches to run through them.

#ifndef TESTS_TESTING_TINY_MODEL_H_
#define TESTS_TESTING_TINY_MODEL_H_

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/model.h"

namespace minillm_testing {

using minillm::Index;
using minillm::Real;
using minillm::Segment;
using minillm::Target;
using minillm::Token;
using minillm::TokenBatch;

// Two layers, grouped queries, no two dimensions equal that can differ. Weights are large, so that
// attention and SwiGLU are far from linear.
inline minillm::ModelConfig tiny_config(bool tied = true) {
  minillm::ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 8;
  config.intermediate_size = 14;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  config.max_position_embeddings = 32;
  config.rope_theta = 100;
  config.tie_word_embeddings = tied;
  config.initializer_range = 0.4;
  return config;
}

// With what a family adds to a Llama (nn/model_family.h).
inline minillm::ModelConfig as_family(minillm::ModelConfig config, std::string_view family) {
  minillm::ModelExtras& extras = config.extras;
  extras.qkv_bias = family == "qwen2";
  extras.qk_norm = family == "qwen3";
  if (family == "smollm3") extras.no_rope_interval = 2;
  if (family == "granite") {
    extras.embedding_multiplier = 3;
    extras.residual_multiplier = 0.6;
    extras.attention_multiplier = 0.4;
    extras.logits_scaling = 1.7;
  }
  return config;
}
inline minillm::ModelConfig tiny_config_of(std::string_view family) {
  return as_family(tiny_config(), family);
}

// Large enough to reach every path of the kernels: more than one block over k (C > 256), edges of
// tiles in every direction, more targets than one chunk of the head, several query tiles.
inline minillm::ModelConfig medium_config() {
  minillm::ModelConfig config;
  config.vocab_size = 531;
  config.hidden_size = 264;
  config.intermediate_size = 301;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 44;
  config.max_position_embeddings = 640;
  config.initializer_range = 0.08;
  return config;
}

// Initialised, with gains other than one: a gain of one hides code that forgets it.
inline minillm::Model random_model(const minillm::ModelConfig& config, uint64_t seed = 1) {
  minillm::Model model(config);
  model.initialize(seed);
  minillm::Rng rng(seed, 999);
  for (const minillm::TensorInfo& tensor : model.tensors().tensors()) {
    if (tensor.decay) continue;
    for (Real& gain : minillm::tensor_span(model.parameters(), tensor))
      gain = static_cast<Real>(1 + 0.3 * rng.normal());
  }
  return model;
}

// An adapter of this shape, all parameters random.
inline std::shared_ptr<minillm::Adapter> random_adapter(const minillm::ModelConfig& config,
                                                        minillm::AdapterShape shape,
                                                        uint64_t seed = 1) {
  shape.score = config.has_score_head();
  const auto adapter = std::make_shared<minillm::Adapter>(config, shape);
  minillm::Rng rng(seed, 55);
  for (Real& w : adapter->parameters())
    w = static_cast<Real>(config.initializer_range * rng.normal());
  return adapter;
}

// LoRA with another rank and scale for every module, all factors random; `targets` are bits.
inline std::shared_ptr<minillm::Adapter> random_adapter(const minillm::ModelConfig& config,
                                                        uint64_t seed = 1, unsigned targets = 127) {
  minillm::AdapterShape shape;
  for (Index layer = 0; layer < config.num_hidden_layers; ++layer)
    for (int m = 0; m < minillm::kMatrixModules; ++m)
      if (targets >> m & 1)
        shape.updates.push_back({layer, static_cast<minillm::Module>(m), 1 + (m + layer) % 3,
                                 0.25 * (m + 2) / static_cast<double>(layer + 1)});
  shape.tokens = {1, 4, static_cast<Token>(config.vocab_size - 1)};
  return random_adapter(config, shape, seed);
}

// One of every kind that there is, all random.
enum class AdapterKind { kLora, kParallel, kPrompt, kPrefix };
inline constexpr AdapterKind kAdapterKinds[] = {AdapterKind::kLora, AdapterKind::kParallel,
                                                AdapterKind::kPrompt, AdapterKind::kPrefix};
inline std::string name_of(AdapterKind kind) {
  constexpr const char* kNames[] = {"lora", "parallel", "prompt", "prefix"};
  return kNames[static_cast<int>(kind)];
}
inline std::shared_ptr<minillm::Adapter> random_adapter(AdapterKind kind,
                                                        const minillm::ModelConfig& config,
                                                        uint64_t seed = 1) {
  if (kind == AdapterKind::kLora) return random_adapter(config, seed);
  minillm::AdapterShape shape;
  if (kind == AdapterKind::kParallel) {
    for (Index layer = 0; layer < config.num_hidden_layers; ++layer)
      for (const auto module : {minillm::Module::kAttention, minillm::Module::kFfn})
        shape.updates.push_back({layer, module, 3, 1.5});
    shape.tokens = {1, 4};
  } else {
    shape.virtual_tokens = 3;
    shape.prefix = kind == AdapterKind::kPrefix;
  }
  return random_adapter(config, shape, seed);
}

inline std::vector<Token> random_tokens(Index count, Index vocab_size, uint64_t seed) {
  minillm::Rng rng(seed, 77);
  std::vector<Token> tokens(static_cast<size_t>(count));
  for (Token& t : tokens) t = static_cast<Token>(rng.below(static_cast<uint64_t>(vocab_size)));
  return tokens;
}

// One sequence as a segment of its own; tokens from number `first_scored` (>= 1) on are targets.
inline void append_sequence(TokenBatch& batch, std::span<const Token> tokens,
                            Index first_scored = 1) {
  const Index begin = batch.rows(), length = static_cast<Index>(tokens.size());
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
  batch.segments.push_back({begin, begin + length, 0, 0});
  for (Index i = first_scored; i < length; ++i)
    batch.targets.push_back({begin + i - 1, tokens[static_cast<size_t>(i)], 1});
}

// A prompt, and answers that share it as their prefix; the answers' tokens are targets.
inline void append_shared_prompt(TokenBatch& batch, std::span<const Token> prompt,
                                 std::span<const std::vector<Token>> answers) {
  const Index prompt_begin = batch.rows();
  append_sequence(batch, prompt, static_cast<Index>(prompt.size()));
  const Index prompt_end = batch.rows();
  for (const std::vector<Token>& answer : answers) {
    const Index begin = batch.rows();
    batch.tokens.insert(batch.tokens.end(), answer.begin(), answer.end());
    batch.segments.push_back({begin, batch.rows(), prompt_begin, prompt_end});
    Index row = prompt_end - 1;  // the prompt's last row predicts the answer's first token
    for (const Token token : answer) {
      batch.targets.push_back({row, token, 1});
      row = row == prompt_end - 1 ? begin : row + 1;
    }
  }
}

// The same prompt and answers as whole sequences, one per answer; targets are in the same order.
inline void append_separately(TokenBatch& batch, std::span<const Token> prompt,
                              std::span<const std::vector<Token>> answers) {
  for (const std::vector<Token>& answer : answers) {
    std::vector<Token> whole(prompt.begin(), prompt.end());
    whole.insert(whole.end(), answer.begin(), answer.end());
    append_sequence(batch, whole, static_cast<Index>(prompt.size()));
  }
}

// Random sequences of these lengths; every token but the first of each is a target.
inline TokenBatch random_batch(std::initializer_list<Index> lengths, Index vocab_size,
                               uint64_t seed = 5) {
  TokenBatch batch;
  for (const Index length : lengths)
    append_sequence(batch, random_tokens(length, vocab_size, seed++));
  return batch;
}

// The same batch with P virtual tokens in front of every sequence.
inline TokenBatch with_virtual_tokens(const TokenBatch& plain, Index P) {
  TokenBatch batch;
  batch.virtual_tokens = P;
  std::vector<Index> moved(plain.tokens.size());  // to which row
  for (const Segment& s : plain.segments) {
    const Index begin = batch.rows();
    const bool begins = s.prefix_length() == 0;
    for (Index i = begins ? -P : 0; i < 0; ++i) batch.tokens.push_back(static_cast<Token>(i));
    for (Index row = s.begin; row < s.end; ++row) {
      moved[static_cast<size_t>(row)] = batch.rows();
      batch.tokens.push_back(plain.tokens[static_cast<size_t>(row)]);
    }
    Segment own{begin, batch.rows(), 0, 0, s.adapter};
    if (!begins) {
      own.prefix_begin = moved[static_cast<size_t>(s.prefix_begin)] - P;
      own.prefix_end = moved[static_cast<size_t>(s.prefix_end - 1)] + 1;
    }
    batch.segments.push_back(own);
  }
  for (const Target& t : plain.targets)
    batch.targets.push_back({moved[static_cast<size_t>(t.row)], t.token, t.weight});
  return batch;
}

inline minillm::Workspace training_workspace(const minillm::Model& model, const TokenBatch& batch) {
  return minillm::Workspace(model.config(), batch.rows(), batch.target_count(),
                            minillm::Workspace::Mode::kTraining, model.inner_states());
}

// What a pass over one batch gives, copied out of the workspace and the model.
struct PassResult {
  std::vector<Real> hidden;     // [N * C]
  std::vector<Real> logp;       // [M]
  std::vector<Real> gradients;  // of all that is trained; empty without backward
};

inline std::vector<Real> copy_rows(minillm::ConstView view) {
  std::vector<Real> values;
  for (Index r = 0; r < view.rows; ++r)
    values.insert(values.end(), view.row(r), view.row(r) + view.cols);
  return values;
}

inline PassResult run_forward(const minillm::Model& model, const TokenBatch& batch) {
  minillm::Workspace workspace(model.config(), batch.rows(), batch.target_count(),
                               minillm::Workspace::Mode::kInference, model.inner_states());
  model.forward(batch, workspace);
  const auto logp = model.log_probs(batch, workspace);
  return {copy_rows(workspace.hidden(batch.rows())), {logp.begin(), logp.end()}, {}};
}

// Forward, and backward of the loss -sum(weight * logp) from zeroed gradients.
inline PassResult run_backward(minillm::Model& model, const TokenBatch& batch) {
  minillm::Workspace workspace = training_workspace(model, batch);
  const std::span<Real> gradients = model.gradients();
  std::ranges::fill(gradients, Real{0});
  model.forward(batch, workspace);
  const auto logp = model.log_probs(batch, workspace);
  PassResult result{copy_rows(workspace.hidden(batch.rows())), {logp.begin(), logp.end()}, {}};
  std::vector<Real> dlogp;
  for (const Target& target : batch.targets) dlogp.push_back(-target.weight);
  model.backward(batch, dlogp, workspace);
  result.gradients.assign(gradients.begin(), gradients.end());
  return result;
}

}  // namespace minillm_testing

#endif  // TESTS_TESTING_TINY_MODEL_H_
