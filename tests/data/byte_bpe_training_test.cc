// Training of byte-level BPE: what is learned, in which order, and what is refused.

#include "libminillm/data/byte_bpe_training.h"

#include <gtest/gtest.h>

#include "libminillm/core/rng.h"
#include "libminillm/core/threads.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::random_text;
using minillm_testing::text_source;
using minillm_testing::tokenizer_corpus;

TokenizerTrainingOptions options_of(int64_t vocab_size, bool tool_marks = false) {
  TokenizerTrainingOptions options;
  options.vocab_size = vocab_size;
  options.tool_marks = tool_marks;
  return options;
}

TEST(ByteBpeTraining, LearnsTheMostFrequentPairsFirst) {
  // ab comes 4 times; then " ab" and abc come 3 times, and that of the lower left id goes first.
  const std::string file = train_byte_bpe(text_source({"abc abc abc ab"}), options_of(5 + 256 + 3));
  const Tokenizer tokenizer = Tokenizer::from_bytes(file, "t");
  EXPECT_EQ(tokenizer.token_bytes(261), "ab");
  EXPECT_EQ(tokenizer.token_bytes(262), " ab");
  EXPECT_EQ(tokenizer.token_bytes(263), " abc");
  EXPECT_EQ(tokenizer.vocab_size(), 264);
}

TEST(ByteBpeTraining, GivesATokenizerOfOurs) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      train_byte_bpe(text_source(tokenizer_corpus()), options_of(300, true)), "t");
  EXPECT_EQ(tokenizer.vocab_size(), 300);
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 1);
  EXPECT_EQ(tokenizer.pad(), 2);
  EXPECT_EQ(tokenizer.control("<|im_end|>"), 4);
  EXPECT_EQ(tokenizer.control("<tool_call>"), 5);
  EXPECT_TRUE(tokenizer.adds_bos());
  ASSERT_NE(tokenizer.chat_template(), nullptr);
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    const std::string text = random_text(rng);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
  EXPECT_LT(tokenizer.encode(tokenizer_corpus()[0]).size(), tokenizer_corpus()[0].size() * 3 / 4);
}

TEST(ByteBpeTraining, IsTheSameForAnyNumberOfThreads) {
  const int threads = thread_count();
  set_thread_count(1);
  const std::string one = train_byte_bpe(text_source(tokenizer_corpus()), options_of(305));
  set_thread_count(3);
  EXPECT_EQ(train_byte_bpe(text_source(tokenizer_corpus()), options_of(305)), one);
  set_thread_count(threads);
}

TEST(ByteBpeTraining, RefusesWhatCannotBe) {
  EXPECT_ERROR(train_byte_bpe(text_source({"a"}), options_of(261)),
               "bad vocab_size: expected 262 to 1000000, got 261");
  EXPECT_ERROR(train_byte_bpe(text_source({}), options_of(300)), "there is no text to learn from");
  EXPECT_ERROR(train_byte_bpe(text_source({"abab"}), options_of(300)),
               "vocab_size is too large for the text: expected at most 262, got 300");
  EXPECT_ERROR(train_byte_bpe(text_source({"a\xff"}), options_of(300)), "byte 1 is 0xFF");
}

}  // namespace
}  // namespace minillm
