// Documents that a model writes by itself.

#include "libminillm/generate/sample_documents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "libminillm/generate/generator.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

// Many pieces end a document, so that it mostly ends by itself.
DocumentSampling sampling(int64_t documents) {
  DocumentSampling sampling;
  sampling.documents = documents;
  sampling.generation.sampling.temperature = 1;
  sampling.generation.max_tokens = 30;
  for (Token token = 100; token < 120; ++token) sampling.generation.stop_tokens.push_back(token);
  return sampling;
}

struct Sampled {
  std::vector<std::string> texts;
  SampledDocuments counts;
};
Sampled sample(const Model& model, const DocumentSampling& sampling,
               const DocumentSamplingEvents& events = {}) {
  Sampled sampled;
  sampled.counts = sample_documents(
      model, toy_tokenizer(), sampling,
      [&](const std::string& text) { sampled.texts.push_back(text); }, events);
  return sampled;
}

// More than one block of documents, and a stream for each.
TEST(SampleDocuments, AreThoseOfTheirStreamsHoweverManyAreDecodedTogether) {
  const Model model = toy_model();
  DocumentSampling asked = sampling(530);
  asked.keep_unfinished = true;
  asked.generation.stream = 7;
  const Sampled many = sample(model, asked);
  ASSERT_EQ(std::ssize(many.texts), many.counts.kept);
  Generator generator(model, toy_tokenizer());
  size_t at = 0;
  for (int64_t i = 0; i < asked.documents; ++i) {
    GenerationConfig one = asked.generation;
    one.stream = 7 + static_cast<uint64_t>(i);
    const Generation alone = generator.generate(std::vector<Token>{toy_tokenizer().bos()}, one);
    if (alone.text.find_first_not_of(" \n\r\t") == std::string::npos) continue;
    ASSERT_LT(at, many.texts.size());
    EXPECT_EQ(many.texts[at++], alone.text) << "document " << i;
  }
  EXPECT_EQ(at, many.texts.size());

  asked.max_streams = 3;
  EXPECT_EQ(sample(model, asked).texts, many.texts);
  asked.generation.seed = 2;
  EXPECT_NE(sample(model, asked).texts, many.texts);
}

TEST(SampleDocuments, ThoseThatDidNotEndAreLeftOutAndCounted) {
  const Model model = toy_model();
  DocumentSampling asked = sampling(200);
  const Sampled ended = sample(model, asked);
  EXPECT_GT(ended.counts.kept, 50);
  EXPECT_GT(ended.counts.unfinished, 5);
  EXPECT_EQ(ended.counts.kept + ended.counts.unfinished + ended.counts.empty, 200);
  asked.keep_unfinished = true;
  const Sampled all = sample(model, asked);
  EXPECT_EQ(all.counts.kept, ended.counts.kept + ended.counts.unfinished);
  EXPECT_EQ(all.counts.tokens, ended.counts.tokens + 30 * ended.counts.unfinished);
  EXPECT_EQ(all.counts.unfinished, 0);
  EXPECT_EQ(all.counts.empty, ended.counts.empty);
}

TEST(SampleDocuments, SaysHowFarItIsAndStopsWhenAsked) {
  const Model model = toy_model();
  std::vector<double> done;
  sample(model, sampling(600), {.on_progress = [&](double now, double total) {
           done.push_back(now);
           EXPECT_EQ(total, 600);
         }});
  EXPECT_EQ(done, (std::vector<double>{512, 600}));
  int asked = 0;
  EXPECT_ERROR(sample(model, sampling(600), {.stop_requested = [&] { return ++asked > 40; }}),
               "interrupted");
  EXPECT_LT(asked, 60) << "it stops within a block";
  EXPECT_ERROR(sample(model, sampling(0)), "documents: expected 1 or more, got 0");
}

// A model may name several ids that end a text, in its configuration and beside its sampling: a
// document ends at the first of any of them.
TEST(SampleDocuments, EndAtAnyOfTheIdsThatEndATextOfTheModel) {
  const Model model = toy_model();
  const Token eos = toy_tokenizer().eos();
  SpecialTokens special;
  special.config_ends = {eos};
  for (Token token = 100; token < 110; ++token) special.config_ends.push_back(token);
  for (Token token = 110; token < 120; ++token) special.generation_ends.push_back(token);
  const Tokenizer tokenizer = Tokenizer::from_bytes(toy_tokenizer().bytes(), "several", special);
  DocumentSampling asked = sampling(200);
  asked.generation.stop_tokens.clear();  // the tokenizer's
  std::vector<std::string> texts;
  const SampledDocuments counts =
      sample_documents(model, tokenizer, asked, [&](const std::string& t) { texts.push_back(t); });

  // The same draws up to EOS or the end of an answer, cut at the first of the others.
  Generator generator(model, tokenizer);
  std::vector<std::string> expected;
  int by_usual = 0, by_config = 0, by_generation = 0;
  for (int64_t i = 0; i < asked.documents; ++i) {
    GenerationConfig one = asked.generation;
    one.stream += static_cast<uint64_t>(i);
    one.stop_tokens = {eos, tokenizer.answer_end()};
    const Generation whole = generator.generate(std::vector<Token>{tokenizer.bos()}, one);
    std::vector<Token> tokens = whole.tokens;
    const auto end = std::ranges::find_if(tokens, [](Token t) { return 100 <= t && t < 120; });
    if (end == tokens.end() && whole.reason != StopReason::kEndToken) continue;
    ++(end == tokens.end() ? by_usual : *end < 110 ? by_config : by_generation);
    tokens.erase(end, tokens.end());
    const std::string text = tokenizer.decode(tokens);
    if (text.find_first_not_of(" \t\r\n") != std::string::npos) expected.push_back(text);
  }
  EXPECT_EQ(texts, expected);
  EXPECT_EQ(counts.kept, std::ssize(expected));
  EXPECT_GT(by_usual, 0);
  EXPECT_GT(by_config, 10);
  EXPECT_GT(by_generation, 10);
}

// Where there is no BOS, a document stands between two EOS: it begins after one, and the next ends
// it.
TEST(SampleDocuments, WithoutBosStandBetweenTwoEos) {
  const Model model = toy_model();
  SpecialTokens special;
  special.bos = -1;
  const Tokenizer tokenizer = Tokenizer::from_bytes(toy_tokenizer().bytes(), "no BOS", special);
  const DocumentSampling asked = sampling(50);
  const auto texts_with = [&](const Tokenizer& t) {
    std::vector<std::string> texts;
    sample_documents(model, t, asked, [&](const std::string& text) { texts.push_back(text); });
    return texts;
  };
  Generator generator(model, tokenizer);
  std::vector<std::string> expected;
  for (int64_t i = 0; i < asked.documents; ++i) {
    GenerationConfig one = asked.generation;
    one.stream += static_cast<uint64_t>(i);
    const Generation alone = generator.generate(std::vector<Token>{tokenizer.eos()}, one);
    if (alone.reason == StopReason::kEndToken &&
        alone.text.find_first_not_of(" \t\r\n") != std::string::npos)
      expected.push_back(alone.text);
  }
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(texts_with(tokenizer), expected);
  EXPECT_NE(texts_with(toy_tokenizer()), expected) << "which begins after BOS";

  special.eos = -1;
  EXPECT_ERROR(texts_with(Tokenizer::from_bytes(toy_tokenizer().bytes(), "neither", special)),
               "it has no token that starts a document");
}

}  // namespace
}  // namespace minillm
