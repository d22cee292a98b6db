#include "libminillm/data/tool_calls.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/core/rng.h"
#include "libminillm/data/chat_template.h"
#include "tests/data/control_pieces.h"
#include "tests/data/test_tokenizer.h"

namespace minillm {
namespace {

using minillm_testing::test_tokenizer;

const ToolFormat& format_of(const char* id) { return *chat_template_named(id).tools; }

// "text | name({...})", and "!" if the last call is broken.
std::string shown(const ToolCallReader& reader) {
  std::string text = reader.text();
  for (const ToolCall& call : reader.calls()) text += " | " + call.name + call.arguments;
  return text + (reader.broken() ? "!" : "");
}

// An answer in pieces of these lengths, what was told of it beside what was read.
std::string read(const ToolFormat& format, const std::string& answer, size_t length,
                 std::string* told = nullptr) {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;
  ToolCallReader reader(&format, false,
                        {.on_text = [&](std::string_view piece) { text += piece; },
                         .on_call =
                             [&](size_t index, const std::string& name) {
                               EXPECT_EQ(index, calls.size());
                               calls.push_back({name, ""});
                             },
                         .on_arguments =
                             [&](size_t index, std::string_view piece) {
                               EXPECT_EQ(index + 1, calls.size());
                               calls.at(index).second += piece;
                             }});
  for (size_t i = 0; i < answer.size(); i += length) reader.push(answer.substr(i, length));
  reader.finish();
  EXPECT_EQ(text, reader.text());
  EXPECT_EQ(calls.size(), reader.calls().size());
  if (told != nullptr) {
    *told = "";
    for (const auto& [name, arguments] : calls) *told += name + arguments;
  }
  return shown(reader);
}

struct Case {
  const char* format;
  const char* answer;
  const char* expected;
};
const std::vector<Case> kCases = {
    // texts
    {"qwen-2.5", "Hello.", "Hello."},
    {"chatml-space-v1", " Hello.\n", "Hello.\n"},
    {"qwen-2.5", "", ""},
    {"qwen-2.5", "a <tool and <tool_cal", "a <tool and <tool_cal"},
    {"llama-3.1", "Hello {\"name\": 1}", "Hello {\"name\": 1}"},
    // calls
    {"qwen-2.5", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1.0}}\n</tool_call>",
     " | f{\"a\": 1.0}"},
    {"qwen-2.5",
     "<tool_call>{\"name\":\"f\",\"arguments\":{\"b\":[{}],\"a\":\"}{\\\"\"}}</tool_call>",
     " | f{\"b\": [{}], \"a\": \"}{\\\"\"}"},
    {"smollm-3", "So:\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "So: | f{}"},
    {"qwen-2.5", "<tool_call>\n{\"name\": \"f\"}\n</tool_call>", " | f{}"},
    {"qwen-2.5", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", " | f{}"},
    {"qwen-2.5", "<tool_call>\n{\"arguments\": {\"a\": 1}, \"name\": \"f\"}\n</tool_call>",
     " | f{\"a\": 1}"},
    {"qwen-2.5",
     "Let me see.\n\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>\n<tool_call>\n"
     "{\"name\": \"g\", \"arguments\": {\"x\": {\"y\": 2}}}\n</tool_call>\n",
     "Let me see. | f{} | g{\"x\": {\"y\": 2}}"},
    {"qwen-2.5", "<tool_call>{\"name\": \"f\"}</tool_call> So.", "So. | f{}"},
    {"qwen-2.5", "<tool_call>{\"name\": \"f\"}", " | f{}"},  // it ends without its mark
    {"qwen-2.5", "<tool_call>{\"name\": \"f\"} and on", "and on | f{}"},
    {"qwen-2.5",
     "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}</tool_call>",
     " | f{\"a\": \"</tool_call>\"}"},
    {"llama-3.1", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", " | f{\"a\": 1}"},
    {"llama-3.1", " \n{\"name\": \"f\", \"arguments\": {\"a\": 1}}", " | f{\"a\": 1}"},
    {"mistral-v3",
     "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"call00001\"}, "
     "{\"name\": \"g\", \"arguments\": {}}]",
     " | f{\"a\": 1} | g{}"},
    // what is no call stays text
    {"qwen-2.5", "a\n<tool_call>\nhello</tool_call>", "a\n<tool_call>\nhello</tool_call>"},
    {"qwen-2.5", "<tool_call>{\"name\": 7}</tool_call>", "<tool_call>{\"name\": 7}</tool_call>"},
    {"qwen-2.5", "<tool_call>{name: f}</tool_call> b", "<tool_call>{name: f}</tool_call> b"},
    {"qwen-2.5", "<tool_call>}{", "<tool_call>}{"},
    {"qwen-2.5", "<tool_call>", "<tool_call>"},
    {"qwen-2.5", "<tool_call>{\"name\": \"f\", \"argu", "<tool_call>{\"name\": \"f\", \"argu"},
    {"qwen-2.5", "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
     "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>"},
    {"llama-3.1", "{\"answer\": 1}", "{\"answer\": 1}"},
    {"mistral-v3", "[TOOL_CALLS] [1, 2]", "[TOOL_CALLS] [1, 2]"},
    // cut, or no JSON, after its arguments began
    {"qwen-2.5", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1", " | f{\"a\": 1!"},
    {"qwen-2.5", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}, x}</tool_call>",
     "</tool_call> | f{\"a\": 1}!"},
};

TEST(ToolCallReader, DividesTextAndCallsHoweverTheyCome) {
  for (const Case& c : kCases)
    for (size_t length : {1, 2, 3, 7, 1000}) {
      std::string told;
      EXPECT_EQ(read(format_of(c.format), c.answer, length, &told), c.expected)
          << c.answer << " in pieces of " << length;
    }
}

// What is told piece by piece is what is read at the end, but for white space.
TEST(ToolCallReader, TellsNamesFirstAndArgumentsAsTheyCome) {
  std::vector<std::string> events;
  const ToolFormat& format = format_of("qwen-2.5");
  ToolCallReader reader(
      &format, false,
      {.on_text = [&](std::string_view piece) { events.push_back(std::string(piece)); },
       .on_call = [&](size_t, const std::string& name) { events.push_back("call " + name); },
       .on_arguments =
           [&](size_t, std::string_view piece) { events.push_back("+" + std::string(piece)); }});
  for (const char* piece : {"Well", ". \n", "<tool", "_call>\n{\"name\": \"add\", ",
                            "\"arguments\": {", "\"a\": 1", "2}", "}\n</tool", "_call>"})
    reader.push(piece);
  reader.finish();
  EXPECT_EQ(events, (std::vector<std::string>{"Well", ".", "call add", "+{", "+\"a\": 1", "+2}"}));
}

TEST(ToolCallReader, WithoutAFormatAllIsText) {
  ToolCallReader reader(nullptr);
  reader.push(" <tool_call>{\"name\": \"f\"}</tool_call>");
  reader.push_mark("<tool_call>");
  reader.finish();
  EXPECT_EQ(shown(reader), "<tool_call>{\"name\": \"f\"}</tool_call>");
}

Tokenizer with_marks() {
  std::string bytes = test_tokenizer().bytes();
  for (const std::string_view mark : kToolMarks)
    bytes += minillm_testing::control_piece(std::string(mark));
  return Tokenizer::from_bytes(bytes, "test");
}

// Trap: a model that repeats what a user wrote calls nothing.
TEST(ToolCallReader, WhereMarksArePiecesLettersCallNothing) {
  const Tokenizer tokenizer = with_marks();
  Message said{Role::kAssistant, "<tool_call>\n{\"name\": \"f\"}\n</tool_call>"};
  EXPECT_EQ(read_answer(tokenizer, render_answer(tokenizer, said)).content, said.content);
  EXPECT_TRUE(read_answer(tokenizer, render_answer(tokenizer, said)).calls.empty());
  // The same letters are a call where there are no such pieces.
  EXPECT_EQ(read_answer(test_tokenizer(), render_answer(test_tokenizer(), said)).calls.size(), 1u);
}

// Whatever an answer holds, it reads as it was written, with and without control pieces.
TEST(ToolCallReader, ReadsWhatTheTemplatesWrite) {
  Rng rng(5);
  for (const Tokenizer& tokenizer : {test_tokenizer(), with_marks()}) {
    for (int n = 0; n < 300; ++n) {
      Message answer{Role::kAssistant, ""};
      if (rng.chance(0.5)) answer.content = "the cooper, and 12 geese: \xc3\xa9.";
      for (uint64_t i = rng.below(3); i > 0; --i)
        answer.calls.push_back(
            {rng.chance(0.5) ? "add" : "x_1",
             rng.chance(0.3)
                 ? "{}"
                 : nlohmann::json({{"text", minillm_testing::random_text(rng)}, {"n", 1.5}})
                       .dump(-1, ' ', false)});
      if (answer.content.empty() && answer.calls.empty()) continue;
      const Message again = read_answer(tokenizer, render_answer(tokenizer, answer));
      EXPECT_EQ(again.content, answer.content);
      ASSERT_EQ(again.calls.size(), answer.calls.size());
      for (size_t i = 0; i < answer.calls.size(); ++i) {
        EXPECT_EQ(again.calls[i].name, answer.calls[i].name);
        EXPECT_EQ(nlohmann::json::parse(again.calls[i].arguments),
                  nlohmann::json::parse(answer.calls[i].arguments));
      }
    }
  }
}

TEST(ToolCallReader, RandomTextNeverLosesALetter) {
  Rng rng(6);
  const std::vector<std::string> kParts = {"<tool_call>", "</tool_call>", "{", "}", "[",  "]", "\"",
                                           "\\",          "name",         ":", ",", "\n", " ", "x",
                                           "arguments"};
  for (int n = 0; n < 3000; ++n) {
    std::string answer = "x";
    for (uint64_t i = rng.below(12); i > 0; --i) answer += rng.pick(kParts);
    const std::string whole = read(format_of("qwen-2.5"), answer, 1000);
    EXPECT_EQ(read(format_of("qwen-2.5"), answer, 1), whole) << answer;
    std::string letters;
    for (const char c : answer)
      if (c != '\n' && c != ' ') letters += c;
    std::string got;
    for (const char c : whole)
      if (c != '\n' && c != ' ') got += c;
    EXPECT_EQ(got, letters);
  }
}

}  // namespace
}  // namespace minillm
