#include "libminillm/generate/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "libminillm/core/threads.h"
#include "libminillm/data/packing.h"
#include "libminillm/nn/kv_cache.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::random_tokens;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

// Logits [n, V] of every row of one sequence, fed in the given portions over a cache.
Matrix cached_logits(const Model& model, const std::vector<Token>& tokens,
                     const std::vector<Index>& portions) {
  const auto length = static_cast<Index>(tokens.size());
  KvCache cache(model.config(), length);
  Workspace workspace(model.config(), length, length, Workspace::Mode::kInference);
  Matrix logits(length, model.config().vocab_size);
  Index fed = 0;
  for (const Index portion : portions) {
    TokenBatch batch;
    batch.tokens.assign(tokens.begin() + fed, tokens.begin() + fed + portion);
    batch.segments = {{0, portion, 0, fed}};
    model.forward(batch, workspace, &cache);
    std::vector<Index> rows;
    for (Index i = 0; i < portion; ++i) rows.push_back(i);
    model.logits(logits.view().row_block(fed, fed + portion), rows, workspace);
    fed += portion;
  }
  EXPECT_EQ(fed, length);
  return logits;
}

Matrix full_logits(const Model& model, const std::vector<Token>& tokens) {
  const auto length = static_cast<Index>(tokens.size());
  Workspace workspace(model.config(), length, length, Workspace::Mode::kInference);
  TokenBatch batch;
  batch.tokens = tokens;
  batch.segments = {{0, length, 0, 0}};
  model.forward(batch, workspace);
  Matrix logits(length, model.config().vocab_size);
  std::vector<Index> rows;
  for (Index i = 0; i < length; ++i) rows.push_back(i);
  model.logits(logits.view(), rows, workspace);
  return logits;
}

TEST(CachedDecoding, EqualsTheFullForwardToTheBitForEverySplit) {
  const Model model = toy_model();
  const std::vector<Token> tokens = random_tokens(21, 4);
  const Matrix full = full_logits(model, tokens);
  for (const Index prefill : {1, 2, 7, 21}) {
    std::vector<Index> portions = {prefill};
    portions.resize(static_cast<size_t>(1 + 21 - prefill), 1);
    const Matrix cached = cached_logits(model, tokens, portions);
    EXPECT_EQ(std::memcmp(full.view().data, cached.view().data, full.span().size_bytes()), 0)
        << "prefill of " << prefill;
  }
}

// The continuation by full forward passes only: no cache, no batch.
std::vector<Token> naive_continuation(const Model& model, std::vector<Token> tokens,
                                      const GenerationConfig& config, uint64_t stream) {
  Sampler sampler(config.sampling, model.config().vocab_size);
  Rng rng(config.seed, stream);
  std::vector<Token> result;
  while (std::ssize(result) < config.max_tokens) {
    const Matrix logits = full_logits(model, tokens);
    const Real* last = logits.view().row(logits.rows() - 1);
    const Token token = sampler.sample({last, static_cast<size_t>(logits.cols())}, tokens, rng);
    if (token == toy_tokenizer().eos() || token == toy_tokenizer().control("<|im_end|>")) break;
    result.push_back(token);
    tokens.push_back(token);
  }
  return result;
}

TEST(Generator, EqualsSamplingFromFullForwards) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  for (const double temperature : {0.0, 1.0}) {
    GenerationConfig config;
    config.sampling.temperature = temperature;
    config.sampling.repetition_penalty = 1.1;
    config.max_tokens = 20;
    const std::vector<Token> prompt = random_tokens(9, 5);
    EXPECT_EQ(generator.generate(prompt, config).tokens,
              naive_continuation(model, prompt, config, 0));
  }
}

TEST(Generator, TextsDoNotDependOnWhatSharesTheBatch) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1.5;
  config.max_tokens = 30;
  std::vector<std::vector<Token>> prompts;
  for (uint64_t i = 0; i < 23; ++i) {  // every third one three times: it is computed once
    prompts.push_back(random_tokens(1 + (7 * i) % 31, i));
    if (i % 3 == 0) prompts.insert(prompts.end(), 2, prompts.back());
  }

  const std::vector<Generation> together = generator.generate_all(prompts, config, 64);
  ASSERT_EQ(together.size(), prompts.size());
  for (const Index streams : {1, 5}) {
    const std::vector<Generation> few = generator.generate_all(prompts, config, streams);
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(few[i].tokens, together[i].tokens) << "prompt " << i << ", " << streams;
      EXPECT_EQ(few[i].text, together[i].text);
      EXPECT_EQ(few[i].reason, together[i].reason);
    }
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    config.stream = i;
    EXPECT_EQ(generator.generate(prompts[i], config).tokens, together[i].tokens) << "prompt " << i;
  }
}

// Reinforcement learning relies on it: the first ratio of policy to sampler is exactly 1.
TEST(Generator, TellsTheLogProbabilitiesThatTrainingComputesToTheBit) {
  for (const Precision precision : {Precision::kFloat, Precision::kBfloat16}) {
    Model model = toy_model();
    model.set_precision(precision);
    Generator generator(model, toy_tokenizer());
    GenerationConfig config;
    config.log_probs = true;
    config.max_tokens = 20;
    std::vector<std::vector<Token>> prompts;
    for (uint64_t i = 0; i < 5; ++i) prompts.insert(prompts.end(), 4, random_tokens(3 + 7 * i, i));
    config.stop_tokens = random_tokens(60, 99);
    config.stop_tokens.erase(config.stop_tokens.begin());
    Index ended = 0;
    const std::vector<Generation> answers = generator.generate_all(prompts, config, 7);
    for (size_t i = 0; i < prompts.size(); ++i) {
      std::vector<Token> answer = answers[i].tokens;
      ended += answers[i].end_token.has_value();
      if (answers[i].end_token) answer.push_back(*answers[i].end_token);
      ASSERT_EQ(answers[i].log_probs.size(), answer.size());
      TokenBatch batch;
      const std::span<const Token> one[] = {answer};
      append_answers(batch, prompts[i], one);
      Workspace workspace(model.config(), batch.rows(), batch.target_count(),
                          Workspace::Mode::kTraining);
      model.forward(batch, workspace);
      const std::span<const Real> logp = model.log_probs(batch, workspace);
      EXPECT_TRUE(std::ranges::equal(answers[i].log_probs, logp)) << i;
    }
    EXPECT_GT(ended, 0);
    EXPECT_LT(ended, std::ssize(prompts));
  }
}

// Rounded weights say nearly the same: logits differ, but a text depends on nothing else either.
TEST(Generator, RoundedWeightsGiveTheSameTextInEveryBatch) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  std::vector<std::vector<Token>> prompts;
  for (uint64_t i = 0; i < 9; ++i) prompts.push_back(random_tokens(1 + (7 * i) % 31, i));
  GenerationConfig config;
  config.sampling.temperature = 1.5;
  config.max_tokens = 40;
  const auto texts_of = [&](std::optional<Precision> weights, Index streams) {
    config.weights = weights;
    std::vector<std::vector<Token>> texts;
    for (const Generation& g : generator.generate_all(prompts, config, streams))
      texts.push_back(g.tokens);
    return texts;
  };
  const auto plain = texts_of({}, 64);
  EXPECT_EQ(texts_of(Precision::kFloat, 64), plain);
  for (const Precision weights : {Precision::kBfloat16, Precision::kInt8}) {
    const auto rounded = texts_of(weights, 64);
    EXPECT_EQ(texts_of(weights, 1), rounded);
    EXPECT_NE(rounded, plain) << "not rounded at all?";
  }
  EXPECT_EQ(texts_of({}, 64), plain) << "packed again";
}

TEST(Generator, TextsDoNotDependOnTheNumberOfThreads) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1.5;
  config.max_tokens = 12;
  std::vector<std::vector<Token>> prompts;
  for (uint64_t i = 0; i < 5; ++i) prompts.push_back(random_tokens(3 + 5 * i, i));
  const int threads_before = thread_count();
  set_thread_count(1);
  const std::vector<Generation> expected = generator.generate_all(prompts, config);
  for (const int threads : {2, 3, 4}) {
    set_thread_count(threads);
    const std::vector<Generation> actual = generator.generate_all(prompts, config);
    for (size_t i = 0; i < prompts.size(); ++i)
      EXPECT_EQ(actual[i].tokens, expected[i].tokens) << "prompt " << i << ", " << threads;
  }
  set_thread_count(threads_before);
}

// Vocabularies are padded to round numbers, and the random rows there may give the largest logits.
TEST(Generator, NeverSaysAnIdThatTheTokenizerHasNoPieceFor) {
  ModelConfig config = minillm_testing::toy_config();
  config.vocab_size = 512;
  Model model(config);
  model.initialize(1);
  GenerationConfig generation;
  generation.max_tokens = 60;
  generation.sampling.temperature = 2;
  const std::vector<Token> prompt = {toy_tokenizer().bos()};
  const auto padding = [](const Generation& result) {
    return std::ranges::count_if(result.tokens, [](Token token) { return token >= 300; });
  };
  EXPECT_GT(padding(Generator(model).generate(prompt, generation)), 0);  // ids alone: any will do
  EXPECT_EQ(padding(Generator(model, toy_tokenizer()).generate(prompt, generation)), 0);
}

TEST(Generator, SeedAndStreamDecideTheText) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1.5;
  const std::vector<Token> prompt = random_tokens(4, 1);
  const std::vector<Token> first = generator.generate(prompt, config).tokens;
  EXPECT_EQ(generator.generate(prompt, config).tokens, first);
  config.seed = 2;
  EXPECT_NE(generator.generate(prompt, config).tokens, first);
  config.seed = 1;
  config.stream = 1;
  EXPECT_NE(generator.generate(prompt, config).tokens, first);
}

TEST(Generator, StopsAtEndTokensWithoutReturningThem) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1;
  config.max_tokens = 20;
  const std::vector<Token> prompt = random_tokens(4, 1);
  const Generation whole = generator.generate(prompt, config);
  ASSERT_GT(whole.tokens.size(), 10u);

  const Token end = whole.tokens[7];
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), end);
  config.stop_tokens = {end};
  const Generation stopped = generator.generate(prompt, config);
  EXPECT_EQ(stopped.reason, StopReason::kEndToken);
  EXPECT_EQ(stopped.tokens, std::vector<Token>(whole.tokens.begin(), first));
}

TEST(Generator, StopsAtTheMaximumAndWhereTheContextIsFull) {
  const Model model = toy_model();  // a context of 64
  Generator generator(model);       // ids only: no end tokens
  GenerationConfig config;
  config.max_tokens = 5;
  Generation result = generator.generate(random_tokens(10, 1), config);
  EXPECT_EQ(result.reason, StopReason::kMaxTokens);
  EXPECT_EQ(result.tokens.size(), 5u);
  EXPECT_EQ(result.text, "");

  // All 64 positions are fed; the last one's prediction is still part of the text.
  config.max_tokens = 1000000000000;
  result = generator.generate(random_tokens(60, 1), config);
  EXPECT_EQ(result.reason, StopReason::kContextFull);
  EXPECT_EQ(result.tokens.size(), 5u);
  result = generator.generate(random_tokens(64, 1), config);
  EXPECT_EQ(result.reason, StopReason::kContextFull);
  EXPECT_EQ(result.tokens.size(), 1u);
}

TEST(Generator, StopStringsCutTheTextAndWhatIsStreamed) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 1;
  config.max_tokens = 40;
  const std::vector<Token> prompt = random_tokens(4, 2);
  const std::string whole = generator.generate(prompt, config).text;
  ASSERT_GT(whole.size(), 20u);

  // Seven bytes from the middle: they straddle tokens, mostly single bytes and short words.
  size_t begin = whole.size() / 2;
  while ((whole[begin] & 0xc0) == 0x80) ++begin;
  config.stop = {whole.substr(begin, 7), "never said"};
  std::string streamed;
  const Generation stopped = generator.generate(
      prompt, config, {.on_text = [&](const std::string& text) { streamed += text; }});
  EXPECT_EQ(stopped.reason, StopReason::kStopString);
  EXPECT_EQ(stopped.text, whole.substr(0, whole.find(config.stop[0])));
  EXPECT_EQ(streamed, stopped.text);
}

TEST(Generator, StreamsWholeCharactersOnly) {
  const Model model = toy_model(3);
  Generator generator(model, toy_tokenizer());
  GenerationConfig config;
  config.sampling.temperature = 3;  // mostly byte pieces, hence many broken characters
  config.max_tokens = 60;
  for (config.seed = 1; config.seed < 20; ++config.seed) {
    std::string streamed;
    const Generation result =
        generator.generate(random_tokens(2, 1), config, {.on_text = [&](const std::string& piece) {
                             EXPECT_TRUE(is_valid_utf8(piece));
                             streamed += piece;
                           }});
    EXPECT_EQ(streamed, result.text);
    EXPECT_EQ(streamed, toy_tokenizer().decode(result.tokens));
  }
}

TEST(Generator, StopsWhenAskedTo) {
  const Model model = toy_model();
  Generator generator(model);
  int asked = 0;
  const Generation result =
      generator.generate(random_tokens(4, 2), {}, {.stop_requested = [&] { return ++asked > 3; }});
  EXPECT_EQ(result.reason, StopReason::kInterrupted);
  EXPECT_EQ(result.tokens.size(), 3u);
}

TEST(Generator, RefusesPromptsThatCannotBeContinued) {
  const Model model = toy_model();
  Generator generator(model, toy_tokenizer());
  const std::vector<std::vector<Token>> prompts = {{1}, {}};
  EXPECT_ERROR(generator.generate_all(prompts, {}), "prompt 1: it has no tokens");
  EXPECT_ERROR(generator.generate(random_tokens(65, 1), {}), "expected at most 64 tokens");
  EXPECT_ERROR(generator.generate(std::vector<Token>{1, 300}, {}), "token id 300");
  GenerationConfig config;
  config.max_tokens = 0;
  EXPECT_ERROR(generator.generate(random_tokens(2, 1), config), "max_tokens: expected");
  config.max_tokens = 1;
  config.stop = {"x"};
  EXPECT_ERROR(Generator(model).generate(random_tokens(2, 1), config), "no tokenizer");
  EXPECT_TRUE(generator.generate_all({}, {}).empty());
}

}  // namespace
}  // namespace minillm
