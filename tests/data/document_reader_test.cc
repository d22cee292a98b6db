#include "libminillm/data/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "libminillm/core/error.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::test_data_path;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> documents(const std::string& path,
                                   DocumentSplit split = DocumentSplit::kBlankLine,
                                   BadRecordPolicy policy = BadRecordPolicy::kError,
                                   DatasetReport* report = nullptr) {
  std::vector<std::string> all;
  const auto reports = for_each_document(
      {path}, split, policy, [&](std::string_view document) { all.emplace_back(document); });
  if (report != nullptr) *report = reports.at(0);
  return all;
}

TEST(Documents, EndAtBlankLinesLinesOrTheFile) {
  const TempDir directory;
  const std::string path =
      directory.write("x.txt", "\xef\xbb\xbf\r\none\r\ntwo\r\n \t\r\n\nthree\n");
  EXPECT_THAT(documents(path), ElementsAre("one\ntwo", "three"));
  EXPECT_THAT(documents(path, DocumentSplit::kLine), ElementsAre("one", "two", "three"));
  EXPECT_THAT(documents(path, DocumentSplit::kFile), ElementsAre("one\ntwo\n \t\n\nthree"));
}

TEST(Documents, LargerThanMemoryShouldHoldAreRefusedWhereTheyBegin) {
  const TempDir directory;
  const std::string path = directory.write("x.txt", "first\n\n");
  {
    std::ofstream file(path, std::ios::app);
    const std::string line(size_t{8} << 20, 'a');
    for (int i = 0; i < 32; ++i) file << line << '\n';
  }
  EXPECT_ERROR(documents(path), "x.txt':3: the document that begins here has more than 256 MiB");
  EXPECT_EQ(documents(path, DocumentSplit::kLine).size(), 33u);
}

TEST(Documents, EndOfTextAlwaysEndsOneAndIsNotText) {
  const TempDir directory;
  const std::string path = directory.write(
      "x.txt", "one\n\ntwo\n\t<|endoftext|> \nthree <|endoftext|>four\nmore<|endoftext|>\n");
  DatasetReport report;
  EXPECT_THAT(documents(path, DocumentSplit::kFile, BadRecordPolicy::kError, &report),
              ElementsAre("one\n\ntwo", "three", "four\nmore"));
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_THAT(documents(path, DocumentSplit::kLine),
              ElementsAre("one", "two", "three", "four", "more"));
  EXPECT_THAT(documents(path, DocumentSplit::kBlankLine, BadRecordPolicy::kError, &report),
              ElementsAre("one", "two", "three", "four\nmore"));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("3 marks <|endoftext|> end documents, and "
                                                     "blank lines do, too: 4 documents")));
}

TEST(Documents, EndOfTextDividesTheTextOfARecord) {
  const TempDir directory;
  EXPECT_THAT(
      documents(directory.write(
          "x.jsonl", "{\"text\": \"a\\n<|endoftext|>\\n b\"}\n{\"text\": \"<|endoftext|>c\"}")),
      ElementsAre("a", "b", "c"));
}

TEST(Documents, MarkersThatStayLettersAreTold) {
  const TempDir directory;
  DatasetReport report;
  documents(directory.write("x.txt", "<s>a</s>\n\nb\n\n[INST] c\n"), DocumentSplit::kBlankLine,
            BadRecordPolicy::kError, &report);
  EXPECT_THAT(report.warnings,
              ElementsAre("2 of 3 documents hold chat or document markers as letters, which stay "
                          "plain text: \"<s>\" (1), \"</s>\" (1), \"[INST]\" (1)"));
}

TEST(Documents, AreRecordsByContentNotByName) {
  const TempDir directory;
  const std::string lines = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  for (const char* name : {"x.JSONL", "x.txt", "x", "x.csv", "x.jsonl", "x.json"})
    EXPECT_THAT(documents(directory.write(name, lines)), ElementsAre("one", "two")) << name;
  for (const char* name : {"y.txt", "y.JSON"})
    EXPECT_THAT(documents(directory.write(name, "[{\"text\": \"one\"},\n {\"text\": \"two\"}]")),
                ElementsAre("one", "two"));
  EXPECT_THAT(documents(directory.write("z.json", "[\"one\", \"two\"]")),
              ElementsAre("one", "two"));
}

TEST(Documents, ProseAndProgramsStayPlainText) {
  const TempDir directory;
  for (const char* text :
       {"[Enter HAMLET]\nTo be", "{a poem}\nof braces", "{\"a\": 1}, they wrote", "[1] A footnote.",
        "{\"key\": \"value\"}\nif (x) {\n}", "a,b\n1,2", "[\"a\", \"b\"] is a list", "{}"})
    EXPECT_THAT(documents(directory.write("x.txt", text), DocumentSplit::kFile), ElementsAre(text));
}

TEST(Documents, BrokenJsonInATextFileIsTold) {
  const TempDir directory;
  DatasetReport report;
  documents(directory.write("x.txt", "{\"text\": \"one\n{\"text\": \"two\"}\n"),
            DocumentSplit::kLine, BadRecordPolicy::kError, &report);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("begins like JSON")));
}

TEST(Documents, ComeFromTablesWithAHeader) {
  const TempDir directory;
  EXPECT_THAT(
      documents(directory.write(
          "x.csv", "\xef\xbb\xbfid,text\r\n1,\"one, \"\"two\"\"\r\nthree\"\r\n\r\n2,four\r\n")),
      ElementsAre("one, \"two\"\nthree", "four"));
  EXPECT_THAT(documents(directory.write("x.TSV", "text\tid\none, \"two\t1\n")),
              ElementsAre("one, \"two"));
  EXPECT_THAT(documents(directory.write("y.csv", "id;text\n1;one, two\n")),
              ElementsAre("one, two"));
  EXPECT_ERROR(documents(directory.write("z.csv", "id,text\n1,one\n2,two,three\n")),
               "z.csv:3: wrong number of cells: expected 2 as in the header, got 3");
  EXPECT_ERROR(documents(directory.write("z.csv", "id,text\n1,\"one\n2,two\n")),
               "z.csv:2: quote is not closed");
  EXPECT_ERROR(documents(directory.write("z.csv", "text,text\n1,one\n")),
               "z.csv:1: header: two columns are called 'text'");
}

TEST(Documents, WhatIsNoTextIsNamed) {
  const TempDir directory;
  EXPECT_ERROR(documents(directory.write("x.jsonl", "PAR1\x15\x04")),
               "got a Parquet file (convert it");
  EXPECT_ERROR(documents(directory.write("x.txt", "version https://git-lfs.github.com/spec/v1\n")),
               "git lfs pull");
  EXPECT_ERROR(documents(directory.write("x.txt", std::string("a\0b\0c\0d\0e\0", 10))),
               "iconv -f UTF-16LE");
  EXPECT_ERROR(documents("/dev/null"), "got a pipe or a device");
  DatasetReport report;
  EXPECT_THAT(documents(directory.write("x.jsonl", "{\"text\": null}\n{\"text\": \"a\"}"),
                        DocumentSplit::kFile, BadRecordPolicy::kError, &report),
              ElementsAre("a"));
  EXPECT_EQ(report.dropped.at("text is null"), 1);
}

TEST(Documents, ComeFromTheTextFieldOfJsonRecords) {
  const TempDir directory;
  DatasetReport report;
  EXPECT_THAT(
      documents(directory.write(
                    "x.jsonl",
                    "{\"text\":\"a\\n\\nb\",\"url\":\"u\"}\n{\"text\":\" \"}\n{\"text\":\"c\"}"),
                DocumentSplit::kLine, BadRecordPolicy::kError, &report),
      ElementsAre("a\n\nb", "c"));
  EXPECT_EQ(report.dropped.at("text is empty"), 1);
  EXPECT_THAT(documents(directory.write("x.json", "[{\"text\":\"a\"}]")), ElementsAre("a"));
  EXPECT_ERROR(documents(directory.write("y.jsonl", "{\"text\":\"a\"}\n{\"text\":5}")),
               "y.jsonl:2: wrong type: 'text': expected a string, got number");
  EXPECT_ERROR(documents(directory.write("z.jsonl", "{\"instruction\":\"a\",\"output\":\"b\"}")),
               "wrong kind of data set: expected texts ({\"text\": ...}), got conversations (which "
               "the sft stage takes)");
}

TEST(Documents, InvalidUtf8IsABadRecord) {
  const TempDir directory;
  const std::string path = directory.write("x.txt", "fine\n\nstill fine\nbad \xe9\nmore\n\nlast\n");
  EXPECT_ERROR(
      documents(path),
      "x.txt:4: invalid UTF-8: byte 21 of the file is 0xE9 (convert it with iconv -t UTF-8)");
  DatasetReport report;
  EXPECT_THAT(documents(path, DocumentSplit::kBlankLine, BadRecordPolicy::kSkip, &report),
              ElementsAre("fine", "last"));
  EXPECT_EQ(report.rows, 3);
  EXPECT_EQ(report.used, 2);
  EXPECT_EQ(report.dropped.at("invalid UTF-8"), 1);
}

TEST(Documents, EmptyAndMissingFilesAreErrors) {
  const TempDir directory;
  EXPECT_ERROR(documents(directory.write("x.txt", "")), "x.txt': no document in it: it is empty");
  EXPECT_ERROR(documents(directory.file("absent.txt")), "cannot open: No such file or directory");
  EXPECT_ERROR(documents(directory.path()), "cannot read: it is a directory");
}

TEST(Documents, HostileTextsGiveTheFirstBadByteOrAreRead) {
  MINILLM_REQUIRE_TEST_DATA("hostile/UTF-8-test_kuhn.txt");
  EXPECT_ERROR(documents(test_data_path("hostile/UTF-8-test_kuhn.txt")),
               "invalid UTF-8: byte 4461 of the file");
  EXPECT_ERROR(documents(test_data_path("hostile/utfcpp_utf8_invalid.txt")),
               "invalid UTF-8: byte 4440 of the file");
  EXPECT_ERROR(documents(test_data_path("hostile/sherlock_latin1_1661-8.txt")),
               "sherlock_latin1_1661-8.txt:1141: invalid UTF-8: byte 47068 of the file is 0xE9");
  EXPECT_ERROR(documents(test_data_path("hostile/datasets/only_newlines.txt")),
               "no document in it: it is empty");
  EXPECT_EQ(documents(test_data_path("hostile/datasets/long_line_1M.txt")).at(0).size(), 999999u);
  EXPECT_EQ(
      documents(test_data_path("hostile/datasets/no_final_newline_one_byte.txt")).at(0).size(), 1u);
  EXPECT_EQ(documents(test_data_path("hostile/blns.txt")).size(), 78u);
}

TEST(Documents, RealCorporaDivideAsTheirFormatSays) {
  MINILLM_REQUIRE_TEST_DATA("pretrain/tinystories_v2_valid_10klines.txt");
  const auto stories =
      documents(test_data_path("pretrain/tinystories_v2_valid_10klines.txt"), DocumentSplit::kFile);
  EXPECT_EQ(stories.size(), 1728u) << "1,727 end marks, and the cut last story";
  for (const std::string& story : stories)
    EXPECT_EQ(story.find("<|endoftext|>"), std::string::npos);
  EXPECT_EQ(documents(test_data_path("pretrain/c4_demo.jsonl")).size(), 300u);
  EXPECT_EQ(documents(test_data_path("pretrain/names.txt"), DocumentSplit::kLine).size(), 32033u);
  for (const std::string& text : documents(test_data_path("pretrain/alice_11-0.txt"))) {
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_FALSE(text.starts_with("\xef\xbb\xbf"));
  }
}

TEST(DocumentSplit, IsParsed) {
  EXPECT_EQ(parse_document_split("file"), DocumentSplit::kFile);
  EXPECT_ERROR(parse_document_split("paragraph"),
               "document split: expected 'blank_line', 'line' or 'file', got 'paragraph'");
}

}  // namespace
}  // namespace minillm
