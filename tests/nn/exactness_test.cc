// Batch-invariant results: a token's hidden state and log-probability have the same bits whatever
// shares its batch, on any number of threads, and with any split into prefix and continuation.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "tests/testing/compare.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::append_separately;
using minillm_testing::append_sequence;
using minillm_testing::append_shared_prompt;
using minillm_testing::expect_same_bits;
using minillm_testing::medium_config;
using minillm_testing::PassResult;
using minillm_testing::random_batch;
using minillm_testing::random_model;
using minillm_testing::random_tokens;
using minillm_testing::run_forward;
using minillm_testing::ThreadCount;

const Model& medium_model() {
  static const Model model = random_model(medium_config());
  return model;
}
constexpr Index V = 531, C = 264;

TEST(Exactness, ThreadsChangeNoBitOfHiddenStatesAndLogProbs) {
  const TokenBatch batch = random_batch({5, 1, 70, 130, 33}, V);
  const auto run = [&](int count) {
    const ThreadCount threads(count);
    return run_forward(medium_model(), batch);
  };
  const PassResult one = run(1);
  for (const int count : {2, 3, 4}) {
    const PassResult many = run(count);
    expect_same_bits(many.hidden, one.hidden, "hidden, threads=" + std::to_string(count));
    expect_same_bits(many.logp, one.logp, "logp, threads=" + std::to_string(count));
  }
}

// Long sequences: nothing is quadratic in memory, the first rows do not see what follows, and every
// parameter gets a finite gradient.
TEST(Exactness, TrainsOnASequenceOf8192Tokens) {
  ModelConfig config = minillm_testing::tiny_config();
  config.num_hidden_layers = 1;
  config.max_position_embeddings = 8192;
  Model model = random_model(config);
  const std::vector<Token> tokens = random_tokens(8192, config.vocab_size, 1);
  TokenBatch batch, beginning;
  append_sequence(batch, tokens);
  append_sequence(beginning, {tokens.begin(), tokens.begin() + 300});
  const PassResult all = run_forward(model, batch), first = run_forward(model, beginning);
  const size_t known = 300 * static_cast<size_t>(config.hidden_size);
  expect_same_bits(std::span(all.hidden).first(known), first.hidden, "the first rows");

  const auto bytes = [&](Index rows) {
    return Workspace::bytes(config, rows, rows, Workspace::Mode::kTraining);
  };
  EXPECT_LT(bytes(8192), 2.01 * bytes(4096));
  Workspace workspace(config, batch.rows(), batch.target_count(), Workspace::Mode::kTraining);
  model.forward(batch, workspace);
  HeadPass head = model.head_pass(batch, workspace);
  std::ranges::fill(head.dlogp(), Real{-1} / 8191);
  head.finish();
  model.backward(batch, workspace);
  const std::span<const Real> logp = head.logp();
  EXPECT_GT(std::accumulate(logp.begin(), logp.end(), 0.0) / 8191, -10);
  double squares = 0;
  for (const Real g : model.gradients()) squares += double{g} * g;
  EXPECT_TRUE(std::isfinite(squares));
  EXPECT_GT(squares, 0);
}

// What packing is known to get wrong: neighbours that see each other, positions that run on.
TEST(Exactness, PackingChangesNoBitInAnyOrder) {
  std::vector<std::vector<Token>> sequences;
  for (const Index length : {5, 1, 300, 70, 13})
    sequences.push_back(random_tokens(length, V, sequences.size()));
  std::vector<PassResult> alone;
  for (const auto& tokens : sequences) {
    TokenBatch batch;
    append_sequence(batch, tokens);
    alone.push_back(run_forward(medium_model(), batch));
  }
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  Rng rng(1);
  for (int trial = 0; trial < 3; ++trial, rng.shuffle(order)) {
    TokenBatch batch;
    for (const size_t i : order) append_sequence(batch, sequences[i]);
    const PassResult packed = run_forward(medium_model(), batch);
    auto hidden = packed.hidden.begin(), logp = packed.logp.begin();
    for (const size_t i : order) {
      const std::string name = "sequence " + std::to_string(i);
      expect_same_bits({hidden, alone[i].hidden.size()}, alone[i].hidden, name + ", hidden");
      expect_same_bits({logp, alone[i].logp.size()}, alone[i].logp, name + ", logp");
      hidden += static_cast<Index>(alone[i].hidden.size());
      logp += static_cast<Index>(alone[i].logp.size());
    }
  }
}

TEST(Exactness, ASharedPromptGivesTheBitsOfSeparateSequences) {
  const std::vector<Token> prompt = random_tokens(90, V, 1);
  const std::vector<std::vector<Token>> answers = {random_tokens(20, V, 2), random_tokens(1, V, 3),
                                                   random_tokens(75, V, 4)};
  TokenBatch shared, separate;
  append_sequence(shared, random_tokens(7, V, 5), 7);  // so that the prompt does not begin at row 0
  append_shared_prompt(shared, prompt, answers);
  append_separately(separate, prompt, answers);
  expect_same_bits(run_forward(medium_model(), shared).logp,
                   run_forward(medium_model(), separate).logp, "logp");
}

// Feeds rows [0, T) to the cache in pieces of `piece` tokens, from row `first` of the cache on.
std::vector<Real> decode_in_pieces(const std::vector<Token>& tokens, Index piece, KvCache& cache,
                                   Index first) {
  const Index T = static_cast<Index>(tokens.size());
  Workspace workspace(medium_config(), piece, 1, Workspace::Mode::kInference);
  std::vector<Real> hidden;
  for (Index begin = 0; begin < T; begin += piece) {
    const Index end = std::min(begin + piece, T);
    TokenBatch batch;
    batch.tokens.assign(tokens.begin() + begin, tokens.begin() + end);
    batch.segments = {{0, end - begin, first, first + begin}};
    medium_model().forward(batch, workspace, &cache);
    const std::vector<Real> rows = minillm_testing::copy_rows(workspace.hidden(end - begin));
    hidden.insert(hidden.end(), rows.begin(), rows.end());
  }
  return hidden;
}

TEST(Exactness, CachedDecodingGivesTheBitsOfOneForward) {
  constexpr Index T = 140;
  TokenBatch batch = random_batch({T}, V);
  const PassResult whole = run_forward(medium_model(), batch);
  for (const Index piece : {Index{1}, Index{2}, Index{7}, Index{64}, T}) {
    KvCache cache(medium_config(), T + 11);
    expect_same_bits(decode_in_pieces(batch.tokens, piece, cache, 11), whole.hidden,
                     "pieces of " + std::to_string(piece));
  }
}

TEST(Exactness, ACacheThatHeldSomethingElseIsAsGoodAsNew) {
  const TokenBatch batch = random_batch({20}, V);
  KvCache cache(medium_config(), 40);
  decode_in_pieces(random_tokens(40, V, 9), 8, cache, 0);
  expect_same_bits(decode_in_pieces(batch.tokens, 3, cache, 5),
                   run_forward(medium_model(), batch).hidden, "hidden");
}

// Two streams of different lengths decode side by side, each in its own rows of one cache.
TEST(Exactness, StreamsDecodedTogetherHaveTheBitsOfStreamsDecodedAlone) {
  const std::vector<Token> a = random_tokens(30, V, 1), b = random_tokens(18, V, 2);
  KvCache alone(medium_config(), 30), together(medium_config(), 60);
  const std::vector<Real> expected_a = decode_in_pieces(a, 1, alone, 0),
                          expected_b = decode_in_pieces(b, 1, alone, 0);
  decode_in_pieces({a.begin(), a.begin() + 12}, 12, together, 30);  // stream a is 12 tokens ahead
  Workspace workspace(medium_config(), 2, 1, Workspace::Mode::kInference);
  for (Index t = 0; t < 18; ++t) {
    const auto i = static_cast<size_t>(t);
    TokenBatch batch{{b[i], a[i + 12]}, {{0, 1, 0, t}, {1, 2, 30, 42 + t}}, {}};
    medium_model().forward(batch, workspace, &together);
    const std::vector<Real> rows = minillm_testing::copy_rows(workspace.hidden(2));
    expect_same_bits({rows.data(), C}, {expected_b.data() + t * C, C}, "stream b");
    expect_same_bits({rows.data() + C, C}, {expected_a.data() + (t + 12) * C, C}, "stream a");
  }
}

// More targets than the head takes at once, requested together and in small batches.
TEST(Exactness, ChunksOfTheHeadChangeNoBit) {
  TokenBatch batch = random_batch({320, 320}, V);
  ASSERT_GT(batch.targets.size(), 600u);
  const PassResult together = run_forward(medium_model(), batch);
  Workspace workspace(medium_config(), batch.rows(), 37, Workspace::Mode::kInference);
  medium_model().forward(batch, workspace);
  const std::vector<Target> targets = batch.targets;
  for (size_t begin = 0; begin < targets.size(); begin += 37) {
    const size_t end = std::min(begin + 37, targets.size());
    batch.targets.assign(targets.begin() + static_cast<Index>(begin),
                         targets.begin() + static_cast<Index>(end));
    expect_same_bits(medium_model().log_probs(batch, workspace),
                     {together.logp.data() + begin, end - begin},
                     "targets from " + std::to_string(begin));
  }
}

TEST(Exactness, TrainingAndInferenceWorkspacesOfAnySizeGiveTheSameBits) {
  const TokenBatch batch = random_batch({40, 9}, V);
  const PassResult inference = run_forward(medium_model(), batch);
  Workspace training(medium_config(), 3 * batch.rows(), 3 * batch.target_count(),
                     Workspace::Mode::kTraining);
  medium_model().forward(batch, training);
  expect_same_bits(medium_model().log_probs(batch, training), inference.logp, "logp");
  expect_same_bits(minillm_testing::copy_rows(training.hidden(batch.rows())), inference.hidden,
                   "hidden");
}

TEST(Exactness, LogitsAndLogProbsAgree) {
  const TokenBatch batch = random_batch({30}, V);
  Workspace workspace(medium_config(), batch.rows(), batch.target_count(),
                      Workspace::Mode::kInference);
  medium_model().forward(batch, workspace);
  std::vector<Index> rows;
  for (const Target& t : batch.targets) rows.push_back(t.row);
  Matrix logits(static_cast<Index>(rows.size()), V);
  medium_model().logits(logits.view(), rows, workspace);
  const std::span<const Real> logp = medium_model().log_probs(batch, workspace);
  for (Index m = 0; m < logits.rows(); ++m) {
    double total = 0;
    for (Index v = 0; v < V; ++v) total += std::exp(double{logits(m, v)});
    const Target& target = batch.targets[static_cast<size_t>(m)];
    EXPECT_NEAR(logp[static_cast<size_t>(m)], double{logits(m, target.token)} - std::log(total),
                2e-5);
  }
}

}  // namespace
}  // namespace minillm
