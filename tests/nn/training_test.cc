// Model, objective and optimizer together learn what such a model must be able to learn.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/optim/adamw.h"
#include "tests/testing/compare.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

ModelConfig small_config(Index vocab_size) {
  ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = 32;
  config.initializer_range = 0.1;
  return config;
}

// One step on the batch; the mean loss before it.
double train_step(Model& model, AdamW& optimizer, const TokenBatch& batch, Workspace& workspace,
                  double learning_rate, Index step) {
  std::vector<Real> dlogp(batch.targets.size());
  std::ranges::fill(model.gradients(), Real{0});
  model.forward(batch, workspace);
  const Contribution sum = next_token_loss(dlogp, model.log_probs(batch, workspace), batch.targets);
  model.backward(batch, dlogp, workspace);
  optimizer.update(model.parameters(), model.gradients(), 1 / sum.weight, learning_rate, step);
  return sum.loss / sum.weight;
}

TEST(Training, OverfitsOneBatchToNearZeroLoss) {
  const minillm_testing::ThreadCount one(1);  // too small for more
  Model model(small_config(29));
  model.initialize(1);
  AdamW optimizer(model.tensors(), {.weight_decay = 0});
  TokenBatch batch;  // different first tokens, so that every next one can be known
  for (Token first = 0; first < 4; ++first) {
    std::vector<Token> tokens =
        minillm_testing::random_tokens(12, 29, static_cast<uint64_t>(first));
    tokens[0] = first;
    minillm_testing::append_sequence(batch, tokens);
  }
  Workspace workspace = minillm_testing::training_workspace(model, batch);
  const double first = train_step(model, optimizer, batch, workspace, 1e-2, 1);
  EXPECT_NEAR(first, std::log(29.0), 0.5);
  double last = first;
  for (Index step = 2; step <= 150; ++step)
    last = train_step(model, optimizer, batch, workspace, 1e-2, step);
  EXPECT_LT(last, 0.01);
}

// Six letters, a separator, and the letters reversed: this takes attention by position and content.
constexpr Index kLetters = 6, kAlphabet = 10;
std::vector<Token> reversal_example(uint64_t seed) {
  std::vector<Token> tokens = minillm_testing::random_tokens(kLetters, kAlphabet, seed);
  tokens.push_back(static_cast<Token>(kAlphabet));
  for (Index i = kLetters; i-- > 0;) tokens.push_back(tokens[static_cast<size_t>(i)]);
  return tokens;
}

// The share of letters that greedy decoding gets right.
double reversal_accuracy(const Model& model, uint64_t first_seed, int examples) {
  Workspace workspace(model.config(), kLetters + 1, 1, Workspace::Mode::kInference);
  KvCache cache(model.config(), 2 * kLetters + 1);
  Matrix logits(1, model.config().vocab_size);
  int right = 0;
  for (int e = 0; e < examples; ++e) {
    const std::vector<Token> tokens = reversal_example(first_seed + static_cast<uint64_t>(e));
    TokenBatch batch{
        {tokens.begin(), tokens.begin() + kLetters + 1}, {{0, kLetters + 1, 0, 0}}, {}};
    for (Index t = kLetters + 1; t < 2 * kLetters + 1; ++t) {
      model.forward(batch, workspace, &cache);
      const Index last_row = batch.rows() - 1;
      model.logits(logits.view(), {&last_row, 1}, workspace);
      const auto best = std::ranges::max_element(logits.span()) - logits.span().begin();
      right += best == tokens[static_cast<size_t>(t)];
      batch = {{static_cast<Token>(best)}, {{0, 1, 0, t}}, {}};
    }
  }
  return right / static_cast<double>(examples * kLetters);
}

TEST(Training, LearnsToReverseASequence) {
  const minillm_testing::ThreadCount one(1);  // too small for more
  Model model(small_config(kAlphabet + 1));
  model.initialize(1);
  AdamW optimizer(model.tensors(), {.weight_decay = 0});
  Workspace workspace(model.config(), 32 * (2 * kLetters + 1), 32 * kLetters,
                      Workspace::Mode::kTraining);
  EXPECT_LT(reversal_accuracy(model, 1u << 30, 20), 0.3);
  uint64_t seed = 0;
  for (Index step = 1; step <= 500; ++step) {
    TokenBatch batch;
    for (int i = 0; i < 32; ++i)
      minillm_testing::append_sequence(batch, reversal_example(seed++), kLetters + 1);
    train_step(model, optimizer, batch, workspace, step < 400 ? 5e-3 : 1e-3, step);
  }
  EXPECT_GT(reversal_accuracy(model, 1u << 30, 100), 0.97);  // sequences it has never seen
}

}  // namespace
}  // namespace minillm
