// Documents that a model writes by itself.

#include "libminillm/generate/sample_documents.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace minillm
