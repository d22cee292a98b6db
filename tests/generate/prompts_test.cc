#include "libminillm/generate/prompts.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

class Prompts : public ::testing::Test {
 protected:
  std::vector<Prompt> read(const std::string& name, const std::string& content) {
    return read_prompts(dir_.write(name, content));
  }
  minillm_testing::TempDir dir_;
};

TEST_F(Prompts, AreTheLinesOfATextFile) {
  const auto prompts =
      read("p.txt", "\xef\xbb\xbfOnce upon\r\n\n  \nTwo \xc3\xa9\n{\"prompt\": 1}");
  ASSERT_EQ(prompts.size(), 3u);
  EXPECT_EQ(raw_text(prompts[0]), "Once upon");
  EXPECT_EQ(raw_text(prompts[1]), "Two \xc3\xa9");
  EXPECT_EQ(prompts[1][0].role, Role::kUser);
  EXPECT_EQ(raw_text(prompts[2]), "{\"prompt\": 1}");
}

TEST_F(Prompts, AreTheRecordsOfAJsonlFile) {
  const auto prompts = read("p.jsonl",
                            "{\"prompt\": \"a\\nb\", \"system\": \"s\"}\n"
                            "{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"},"
                            "{\"role\": \"assistant\", \"content\": \"r\"},"
                            "{\"role\": \"user\", \"content\": \"t\"}]}\n");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0][0].role, Role::kSystem);
  EXPECT_EQ(prompts[0][1].content, "a\nb");
  EXPECT_EQ(prompts[1][1].role, Role::kAssistant);
  EXPECT_EQ(raw_text(prompts[1]), "q\nr\nt");
}

TEST_F(Prompts, AreRecordsByContentNotByName) {
  for (const char* name : {"p.json", "p.txt", "p.JSONL"})
    EXPECT_EQ(read(name, "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"}]").size(), 2u) << name;
  const auto prompts = read("p.csv", "prompt,system\n\"a, b\",s\nc,\n");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0][0].content, "s");
  EXPECT_EQ(raw_text(prompts[1]), "c");
}

TEST_F(Prompts, MaySayWhatARightAnswerHolds) {
  dir_.write("p.jsonl",
             "{\"prompt\": \"a\", \"expect\": \"b\"}\n{\"prompt\": \"a\"}\n"
             "{\"prompt\": \"a\", \"expect\": [\"b\", \"c\"]}\n");
  const auto rows = read_expecting_prompts(dir_.file("p.jsonl"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].expected, std::vector<std::string>{"b"});
  EXPECT_TRUE(rows[1].expected.empty());
  EXPECT_EQ(rows[2].expected, (std::vector<std::string>{"b", "c"}));
}

TEST_F(Prompts, NameFileAndLineOfWhatIsWrong) {
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": \"a\", \"expect\": 5}"),
               "p.jsonl':1: \"expect\": expected a text or a list of texts, got 5");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": \"a\", \"expect\": [\"\"]}"), "expected a text");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": \"a\"}\n\n{broken\n"),
               "p.jsonl':3: invalid JSON: column 2");
  EXPECT_ERROR(read("p.jsonl", "{\"text\": \"a\"}"), "p.jsonl':1: expected {\"prompt\": ...}");
  EXPECT_ERROR(read("p.jsonl", "[1]"), "p.jsonl':1: expected {\"prompt\": ...}");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": 5}"), "the text \"prompt\"");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": [{\"role\": \"judge\", \"content\": \"q\"}]}"),
               "p.jsonl':1: role: expected 'system', 'user' or 'assistant', got 'judge'");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": [{\"role\": \"assistant\", \"content\": \"q\"}]}"),
               "end with a user message");
  EXPECT_ERROR(read("p.jsonl", "{\"prompt\": []}"), "end with a user message");
  EXPECT_ERROR(read("p.txt", "fine\n\xff\n"), "p.txt':2: not valid UTF-8");
  EXPECT_ERROR(read("p.txt", "\n\n"), "the file has no prompt");
  EXPECT_ERROR(read_prompts(dir_.file("absent.txt")), "absent.txt");
}

}  // namespace
}  // namespace minillm
