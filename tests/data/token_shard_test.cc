#include "libminillm/data/token_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/token_shard_format.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::test_tokenizer;
using testing::ElementsAre;

constexpr Index kVocab = 380;

ShardReport write_shard(const TempDir& directory, const std::string& text,
                        DocumentSplit split = DocumentSplit::kBlankLine) {
  return write_token_shard(directory.file("x.shard"), {directory.write("x.txt", text)}, split,
                           BadRecordPolicy::kError, test_tokenizer());
}
TokenShard open_shard(const TempDir& directory) {
  return TokenShard::open(directory.file("x.shard"), kVocab);
}

TEST(TokenShard, KeepsEveryDocumentBetweenBosAndEos) {
  const TempDir directory;
  const ShardReport report = write_shard(directory, "the goose\nwalked\n\n12 bells\n");
  const TokenShard shard = open_shard(directory);
  ASSERT_EQ(shard.documents(), 2);
  EXPECT_EQ(report.documents, 2);
  EXPECT_EQ(report.tokens, shard.tokens());
  EXPECT_EQ(report.text_bytes, 16 + 8);
  EXPECT_EQ(shard.text_bytes(), 16 + 8);
  EXPECT_EQ(report.files.at(0).used, 2);
  std::vector<Token> ids;
  shard.document(0, ids);
  EXPECT_EQ(ids.front(), test_tokenizer().bos());
  EXPECT_EQ(ids.back(), test_tokenizer().eos());
  EXPECT_EQ(test_tokenizer().decode(ids), "the goose\nwalked");
  shard.document(1, ids);
  EXPECT_EQ(test_tokenizer().decode(ids), "12 bells");
  EXPECT_EQ(shard.document_length(0) + shard.document_length(1), shard.tokens());
}

// Trap: every document has exactly one BOS and one EOS, whatever its text says.
TEST(TokenShard, HasOneBosAndOneEosPerDocument) {
  const TempDir directory;
  write_shard(directory, "<s>the</s>\n\n<s>\n\n</s> <|endoftext|>");
  const TokenShard shard = open_shard(directory);
  ASSERT_EQ(shard.documents(), 3);
  for (Index d = 0; d < 3; ++d) {
    std::vector<Token> ids;
    shard.document(d, ids);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), test_tokenizer().bos()), 1);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), test_tokenizer().eos()), 1);
  }
}

TEST(TokenShard, WithoutBosDocumentsStandBetweenTwoEos) {
  const TempDir directory;
  SpecialTokens special;
  special.bos = -1;
  const Tokenizer tokenizer = Tokenizer::from_bytes(test_tokenizer().bytes(), "t", special);
  write_token_shard(directory.file("x.shard"), {directory.write("x.txt", "the goose")},
                    DocumentSplit::kBlankLine, BadRecordPolicy::kError, tokenizer);
  std::vector<Token> ids;
  open_shard(directory).document(0, ids);
  EXPECT_EQ(ids.front(), tokenizer.eos());
  EXPECT_EQ(ids.back(), tokenizer.eos());
  EXPECT_EQ(tokenizer.decode(ids), "the goose");
}

TEST(TokenShard, SlicesAreChecked) {
  const TempDir directory;
  write_shard(directory, "the goose walked home");
  const TokenShard shard = open_shard(directory);
  std::vector<Token> whole, part;
  shard.document(0, whole);
  shard.slice(0, 1, 3, part);
  EXPECT_EQ(part, std::vector<Token>(whole.begin() + 1, whole.begin() + 3));
  EXPECT_ERROR(shard.slice(0, 0, 100, part), "no ids [0, 100) in document 0 of 1");
  EXPECT_ERROR(shard.slice(1, 0, 0, part), "in document 1 of 1");
}

TEST(TokenShard, BytesDoNotDependOnTheNumberOfThreads) {
  const TempDir directory;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "goose " + std::to_string(i) + " walked\n\n";
  std::string first;
  for (const int threads : {1, 2, 3, 4}) {
    set_thread_count(threads);
    write_shard(directory, text);
    const std::string bytes = read_file(directory.file("x.shard"));
    if (first.empty()) first = bytes;
    EXPECT_EQ(bytes, first);
  }
  set_thread_count(2);
}

TEST(TokenShard, WritesManyChunksOfText) {
  const TempDir directory;
  std::string text;
  while (text.size() < (size_t{9} << 20))
    text += "the goose walked to the harbour street with the cooper\n";
  const ShardReport report = write_shard(directory, text, DocumentSplit::kLine);
  const TokenShard shard = open_shard(directory);
  EXPECT_EQ(shard.documents(), report.files[0].rows);
  std::vector<Token> ids;
  shard.document(shard.documents() - 1, ids);
  EXPECT_EQ(test_tokenizer().decode(ids), "the goose walked to the harbour street with the cooper");
}

TEST(TokenShard, SourceHashNamesFilesSplitAndTokenizer) {
  const TempDir directory;
  const std::string path = directory.write("x.txt", "the goose\nwalked");
  write_shard(directory, "the goose\nwalked");
  const std::string hash = shard_source_hash({path}, DocumentSplit::kBlankLine, test_tokenizer());
  EXPECT_EQ(open_shard(directory).source_hash(), hash);
  EXPECT_NE(shard_source_hash({path}, DocumentSplit::kLine, test_tokenizer()), hash);
  EXPECT_NE(shard_source_hash({path, path}, DocumentSplit::kBlankLine, test_tokenizer()), hash);
  directory.write("x.txt", "the goose\nran");
  EXPECT_NE(shard_source_hash({path}, DocumentSplit::kBlankLine, test_tokenizer()), hash);
}

TEST(TokenShard, AFailedWriteLeavesTheOldShardAndNothingElse) {
  const TempDir directory;
  write_shard(directory, "the goose");
  const std::string before = read_file(directory.file("x.shard"));
  EXPECT_ERROR(write_shard(directory, "bad \xff"), "x.txt:1: invalid UTF-8");
  std::string much;
  while (much.size() < 100000) much += "goose\n\n";
  directory.write("x.txt", much);
  {
    const minillm_testing::FileSizeLimit full_disk(4096);
    EXPECT_ERROR(
        write_token_shard(directory.file("x.shard"), {directory.file("x.txt")},
                          DocumentSplit::kBlankLine, BadRecordPolicy::kError, test_tokenizer()),
        "cannot write");
  }
  EXPECT_EQ(read_file(directory.file("x.shard")), before);
  EXPECT_THAT(list_directory(directory.path()), ElementsAre("x.shard", "x.txt"));
  EXPECT_ERROR(write_token_shard(directory.path(), {directory.file("x.txt")}, DocumentSplit::kLine,
                                 BadRecordPolicy::kError, test_tokenizer()),
               "cannot write: it is a directory");
  EXPECT_ERROR(write_token_shard(directory.file("y.shard"), {}, DocumentSplit::kLine,
                                 BadRecordPolicy::kError, test_tokenizer()),
               "no files to make it from");
}

TEST(TokenShard, RefusesDamagedFiles) {
  const TempDir directory;
  write_shard(directory, "the goose\n\nwalked home");
  const std::string good = read_file(directory.file("x.shard"));
  const auto expect_refused = [&](const std::string& bytes, const std::string& message) {
    directory.write("x.shard", bytes);
    EXPECT_ERROR(open_shard(directory), message);
  };
  const auto with = [&](size_t position, const std::string& bytes) {
    return std::string(good).replace(position, bytes.size(), bytes);
  };
  const size_t trailer = good.size() - shard_format::kTrailerBytes;
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff";

  expect_refused("", "is not a token shard, or cut off");
  for (const size_t length : {size_t{1}, good.size() / 2, good.size() - 1}) {
    expect_refused(good.substr(0, length), "is not a token shard, or cut off: expected 'MLLMSHRD'");
  }
  expect_refused(good.substr(8), "damaged: ");
  expect_refused(with(trailer, "X"), "is not a token shard");
  expect_refused(with(trailer + 8, "\x02"), "unknown version: expected 1, got 2");
  expect_refused(with(trailer + 12, "\x04"), "damaged: ");
  expect_refused(with(trailer + 16, "\x01"),
                 "made with another tokenizer: expected a vocabulary of 380, got ");
  for (const size_t field : {size_t{24}, size_t{32}, size_t{40}})
    expect_refused(with(trailer + field, huge), "damaged: ");
  expect_refused(with(0, "\xff\xff"), "damaged: token 0: expected an id below 380, got 65535");
  expect_refused(with(trailer - 16, huge), "damaged: document 0 is [0, ");
  expect_refused(with(trailer - 24, std::string("\x01", 1)), "damaged: the documents do not cover");
  directory.write("x.shard", good);
  EXPECT_ERROR(TokenShard::open(directory.file("x.shard"), 381),
               "expected a vocabulary of 381, got 380");
  EXPECT_EQ(open_shard(directory).documents(), 2);
}

TEST(TokenShard, IdsTakeFourBytesOnlyForLargeVocabularies) {
  EXPECT_EQ(shard_format::bytes_per_id(65536), 2u);
  EXPECT_EQ(shard_format::bytes_per_id(65537), 4u);
}

// Trap: ids lost or learned twice where a long document is cut.
TEST(CutWindows, EveryIdButBosIsPredictedExactlyOnce) {
  const TempDir directory;
  std::string text = "a\n\n";
  for (int i = 0; i < 100; ++i) text += "goose " + std::to_string(i) + " ";
  write_shard(directory, text + "\n\nthe cooper walked home");
  const TokenShard shard = open_shard(directory);
  for (const Index max_rows : {1, 2, 7, 64, 100000}) {
    std::vector<std::vector<int>> predicted;
    for (Index d = 0; d < shard.documents(); ++d) predicted.emplace_back(shard.document_length(d));
    for (const TextWindow& window : cut_windows(shard, max_rows)) {
      EXPECT_GE(window.rows(), 1);
      EXPECT_LE(window.rows(), max_rows);
      for (Index i = window.begin + 1; i < window.end; ++i)
        ++predicted[static_cast<size_t>(window.document)][static_cast<size_t>(i)];
    }
    for (const auto& document : predicted) {
      EXPECT_EQ(document[0], 0);
      EXPECT_EQ(std::count(document.begin(), document.end(), 1),
                static_cast<int64_t>(document.size()) - 1);
    }
  }
  EXPECT_ERROR(cut_windows(shard, 0), "expected at least 1 row, got 0");
}

}  // namespace
}  // namespace minillm
