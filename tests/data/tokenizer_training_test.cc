#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_format.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::test_tokenizer;
using minillm_testing::text_source;
using minillm_testing::tokenizer_corpus;

Tokenizer train(const std::vector<std::string>& texts, int64_t vocab_size, double coverage = 1.0) {
  return Tokenizer::from_bytes(train_tokenizer(text_source(texts), {vocab_size, coverage}), "test");
}

bool has_piece(const Tokenizer& tokenizer, const std::string& piece) {
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.piece(id) == piece) return true;
  }
  return false;
}

TEST(TokenizerTraining, GivesTheSameBytesForTheSameText) {
  const std::string first = train_tokenizer(text_source(tokenizer_corpus()), {.vocab_size = 360});
  set_thread_count(3);
  EXPECT_EQ(train_tokenizer(text_source(tokenizer_corpus()), {.vocab_size = 360}), first);
  set_thread_count(2);
}

TEST(TokenizerTraining, LearnsFromLinesThatSentencepieceWouldDropSilently) {
  // 40,000 bytes on one line, a line with U+2585, and one with tabs: each teaches a different word.
  std::string long_line;
  while (long_line.size() < 40000) long_line += "zebrafish ";
  const Tokenizer tokenizer = train({long_line, "walrus walrus walrus \xe2\x96\x85 walrus",
                                     "puffin\tpuffin\tpuffin puffin\tpuffin"},
                                    320);
  EXPECT_TRUE(has_piece(tokenizer, "\xe2\x96\x81zebrafish"));
  EXPECT_TRUE(has_piece(tokenizer, "\xe2\x96\x81walrus"));
  EXPECT_TRUE(has_piece(tokenizer, "puffin"));
  EXPECT_FALSE(has_piece(tokenizer, "\xe2\x96\x85"));
}

TEST(TokenizerTraining, SplitsLongLinesAtSpacesAndNeverInsideACharacter) {
  // Without a space the cut is at 16,384 bytes, unless care is taken inside a 3-byte character.
  std::string euros;
  while (euros.size() < 50000) euros += "\xe2\x82\xac";
  EXPECT_NO_THROW(train({euros + " x"}, 268));
  std::string words = "a";
  while (words.size() < 100000) words += " heron";
  const Tokenizer tokenizer = train({words}, 275);
  EXPECT_TRUE(has_piece(tokenizer, "\xe2\x96\x81heron"));
  EXPECT_FALSE(has_piece(tokenizer, "heron")) << "a cut before the space keeps every word whole";
}

TEST(TokenizerTraining, NoPieceCrossesALineEndOrHoldsTwoDigits) {
  const Tokenizer tokenizer = train({"12 12 12 12 12\nab\nab\nab\nab 12\n"}, 268);
  for (Token id = 262; id < tokenizer.vocab_size(); ++id) {
    EXPECT_EQ(tokenizer.piece(id).find('\n'), std::string::npos);
    EXPECT_EQ(tokenizer.piece(id).find("12"), std::string::npos);
  }
}

TEST(TokenizerTraining, MarksOfToolsAreControlPiecesIfAskedFor) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      train_tokenizer(text_source(tokenizer_corpus()), {.vocab_size = 380, .tool_marks = true}),
      "test");
  Token id = 6;
  for (const std::string_view mark : kToolMarks) EXPECT_EQ(tokenizer.control(mark), id++);
  for (const Token token : tokenizer.encode("<tool_call></tool_response>"))
    EXPECT_FALSE(tokenizer.is_control(token));
  EXPECT_EQ(test_tokenizer().control("<tool_call>"), -1);
  EXPECT_ERROR(
      train_tokenizer(text_source(tokenizer_corpus()), {.vocab_size = 270, .tool_marks = true}),
      "(10 control pieces, 256 bytes, ");
}

TEST(TokenizerTraining, NamesTheLargestPossibleVocabulary) {
  EXPECT_ERROR(train(tokenizer_corpus(), 90000),
               "tokenizer training: vocab_size is too large for the text: expected at most ");
  try {
    train(tokenizer_corpus(), 90000);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    const std::string text = error.what();
    const auto largest = std::stoll(text.substr(text.find("at most ") + 8));
    EXPECT_EQ(train(tokenizer_corpus(), largest).vocab_size(), largest);
  }
}

TEST(TokenizerTraining, NamesTheSmallestPossibleVocabulary) {
  // 6 control pieces, 256 bytes, and a, b, c, d and the space.
  EXPECT_ERROR(train({"ab cd", "dc ba"}, 266),
               "too small for the characters of the text: expected at least 267 (6 control pieces, "
               "256 bytes, 5 characters), got 266 (train_tokenizer takes a lower character "
               "coverage, for which the rest is spelled in bytes)");
  EXPECT_EQ(train({"ab cd", "dc ba"}, 267).vocab_size(), 267);
}

TEST(TokenizerTraining, RefusesBadOptionsBeforeSentencepieceSeesThem) {
  for (const int64_t size : {int64_t{-1}, int64_t{0}, int64_t{262}, int64_t{1} << 40}) {
    EXPECT_ERROR(train({"abc"}, size), "bad vocab_size: expected 263 to 1000000, got");
  }
  for (const double coverage : {0.0, 0.97, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_ERROR(train({"abc"}, 300, coverage), "bad character_coverage: expected 0.98 to 1, got");
  }
}

TEST(TokenizerTraining, RefusesEmptyAndInvalidText) {
  EXPECT_ERROR(train({}, 300), "there is no text to learn from");
  EXPECT_ERROR(train({"", "\n\n\t\n"}, 300), "there is no text to learn from");
  EXPECT_ERROR(train({"fine", "bad \xff"}, 300), "text is not UTF-8: byte 4 is 0xFF");
}

TEST(TokenizerTraining, PassesOnWhatTheTextSourceThrows) {
  const TextSource failing = [calls = 0](std::string& text) mutable {
    if (++calls == 3) throw Error("the disk is gone");
    text = "some words";
    return true;
  };
  EXPECT_ERROR(train_tokenizer(failing, {.vocab_size = 280}), "the disk is gone");
}

TEST(TokenizerTraining, RareCharactersAreSpelledInBytes) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "abc ";
  const Tokenizer tokenizer = train({text + "\xe2\x82\xac"}, 270, 0.99);
  EXPECT_FALSE(has_piece(tokenizer, "\xe2\x82\xac"));
  EXPECT_EQ(tokenizer.encode("\xe2\x82\xac").size(), 3u);
}

}  // namespace
}  // namespace minillm
