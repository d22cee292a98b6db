#include "libminillm/data/json_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/line_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::test_data_path;
using Records = std::vector<std::pair<int64_t, std::string>>;

Records records_of(const std::string& content, const std::string& name = "x.jsonl") {
  const TempDir directory;
  Records records;
  for_each_record(directory.write(name, content),
                  [&](const RawRecord& record) { records.emplace_back(record.line, record.text); });
  return records;
}

std::string bad_reason(const std::string& text) {
  try {
    parse_json_record(text);
  } catch (const BadRecord& bad) {
    return bad.reason + ": " + bad.detail;
  }
  return "accepted";
}

TEST(JsonRecords, ReadsLinesWithBomCrLfBlankLinesAndNoFinalNewline) {
  const Records expected = {{1, "{\"a\":1}"}, {3, "{\"b\":2}"}, {5, "{\"c\":3}"}};
  EXPECT_EQ(records_of("\xef\xbb\xbf{\"a\":1}\r\n\r\n{\"b\":2}\n  \n{\"c\":3}"), expected);
}

TEST(JsonRecords, ReadsAnArrayWithTheLineOfEachElement) {
  const Records expected = {{2, "{\"a\": \"x,]}\\\"\"}"}, {3, "{\"b\": [1,\n 2]}"}, {5, "3"}};
  EXPECT_EQ(records_of("[\n {\"a\": \"x,]}\\\"\"},\n{\"b\": [1,\n 2]},\n 3 ]\n", "x.json"),
            expected);
  EXPECT_EQ(records_of("\xef\xbb\xbf[{\"a\":1},{\"b\":2}]", "x.json"),
            (Records{{1, "{\"a\":1}"}, {1, "{\"b\":2}"}}));
  EXPECT_TRUE(records_of("[]", "x.json").empty());
}

TEST(JsonRecords, TakesTheFormFromTheContentNotTheName) {
  EXPECT_EQ(records_of("{\"a\":1}\n{\"b\":2}\n", "x.json").size(), 2u) << "lines in a .json file";
  EXPECT_EQ(records_of("[\n{\"a\":1},\n{\"b\":2}\n]", "x.jsonl").size(), 2u)
      << "an array in a .jsonl file";
  EXPECT_EQ(records_of("{\n\"a\":1\n}", "x.json").size(), 1u) << "one object over several lines";
}

TEST(JsonRecords, KeepsAConversationWithoutAWrapperWhole) {
  const std::string conversation =
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  EXPECT_EQ(records_of(conversation + "\n" + conversation).size(), 2u);
  EXPECT_EQ(records_of(conversation, "x.json"), (Records{{1, conversation}}));
}

TEST(JsonRecords, ABrokenLineStaysOneRecord) {
  EXPECT_EQ(records_of("{\"a\":1}\n{\"b\":\n{\"c\":3}\n").size(), 3u);
  EXPECT_EQ(records_of("{\"b\":\n{\"c\":3}\n").size(), 2u);
}

TEST(JsonRecords, ReportsAnArrayThatIsNotClosed) {
  EXPECT_ERROR(records_of("[\n{\"a\":1},\n{\"b\":2}\n", "x.json"),
               "x.json:4: the JSON array is not closed");
  EXPECT_ERROR(records_of("[\n{\"a\":1}\n] x\n", "x.json"),
               "x.json:3: text after the end of the JSON array");
}

TEST(JsonRecords, ARecordTooLongToHoldIsOneBadRecord) {
  const std::string longest = "{\"a\":\"" + std::string(kMaxRecordBytes, 'x') + "\"}";
  for (const std::string& content :
       {"{}\n" + longest + "\n{}\n", "[{},\n" + longest + ",\n{}]", "{}{}\n" + longest + "{}{}"}) {
    const Records records = records_of(content, "x.json");
    const auto& [line, text] = records.at(records.size() / 2);
    EXPECT_EQ(line, 2);
    EXPECT_EQ(text.size(), kMaxRecordBytes + 1);
    EXPECT_EQ(bad_reason(text), "record is too long: expected at most 67108864 bytes");
    EXPECT_EQ(records.back().second, "{}") << "what follows is read";
  }
}

TEST(JsonRecords, StreamsAnArrayOnOneLine) {
  std::string content = "[";
  for (int i = 0; i < 200000; ++i) content += fmt::format("{}{{\"a\": {}}}", i == 0 ? "" : ", ", i);
  const Records records = records_of(content + "]", "x.json");
  ASSERT_EQ(records.size(), 200000u);
  EXPECT_EQ(records[199999], (std::pair<int64_t, std::string>(1, "{\"a\": 199999}")));
}

TEST(JsonRecords, UnwrapsTheListOfAnObject) {
  EXPECT_EQ(
      records_of("{\"version\": \"1.0\",\n\"data\": [{\"a\":1},\n{\"a\":2}], \"n\": 2}", "x.json"),
      (Records{{2, "{\"a\":1}"}, {3, "{\"a\":2}"}}));
  // Lists that are a record's own stay in it.
  for (const char* record : {"{\"data\": [\"Hi\", \"Hello\"]}",
                             "{\"data\": [{\"role\": \"user\", \"content\": \"Hi\"}]}",
                             "{\"messages\": [{\"a\": 1}]}", "{\"a\": {\"data\": [{\"b\": 1}]}}"})
    EXPECT_EQ(records_of(record, "x.json"), (Records{{1, record}}));
}

TEST(JsonRecords, ReadsValuesInSequence) {
  const Records expected = {{1, "{\n \"a\": 1\n}"}, {4, "{\"b\": \"}{\"}"}, {4, "{}"}};
  EXPECT_EQ(records_of("{\n \"a\": 1\n}\n{\"b\": \"}{\"}{}\n", "x.json"), expected);
  EXPECT_EQ(records_of("{\n \"a\": 1\n}\n{\"b\": \"}{\"}{}\n", "x.jsonl"), expected);
}

TEST(JsonRecords, ABrokenElementDoesNotTakeTheNextWithIt) {
  EXPECT_EQ(records_of("[{\"a\":1}},{\"b\":2},[{]},{\"c\":3}]", "x.json").back().second,
            "{\"c\":3}");
}

TEST(JsonRecords, AnArrayOfRowsThatHaveARoleIsNoConversation) {
  EXPECT_EQ(
      records_of(R"([{"role":"Pirate","instruction":"a"},{"role":"Pirate","instruction":"b"}])",
                 "x.json")
          .size(),
      2u);
}

TEST(ParseJsonRecord, TakesNanForNull) {
  EXPECT_EQ(parse_json_record(R"({"a":NaN,"b":[-Infinity,1],"c":"NaN \" NaN"})"),
            Json::parse(R"({"a":null,"b":[null,1],"c":"NaN \" NaN"})"));
  EXPECT_TRUE(bad_reason("{\"a\":NaNa}").starts_with("invalid JSON"));
}

TEST(ParseJsonRecord, TakesTimeInProportionToItsLength) {
  // Both are read in a fraction of a second; quadratic, the second took minutes.
  std::string row = "{\"messages\":[";
  for (int i = 0; i < 200000; ++i) row += "{\"role\":\"user\",\"content\":\"a\"},";
  row.back() = ']';
  EXPECT_EQ(parse_json_record(row + "}")["messages"].size(), 200000u);
}

TEST(ParseJsonRecord, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(bad_reason(R"({"a":1,"a":1})"), "duplicate key: 'a' appears twice");
  EXPECT_EQ(bad_reason(R"({"a":[{"b":1,"c":2,"b":3}]})"), "duplicate key: 'b' appears twice");
  EXPECT_EQ(bad_reason(R"([{"a":1},{"a":1}])"), "accepted");
}

TEST(ParseJsonRecord, RefusesDeepNesting) {
  EXPECT_EQ(bad_reason(std::string(32, '[') + std::string(32, ']')), "accepted");
  EXPECT_EQ(bad_reason(std::string(33, '[') + std::string(33, ']')),
            "nested too deeply: expected at most 32 levels");
  EXPECT_EQ(bad_reason(std::string(100000, '[')), "nested too deeply: expected at most 32 levels");
}

TEST(ParseJsonRecord, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "{\"a\":nan}", "{'a':1}", "{\"a\":1e999}", "{\"a\":\"\xff\"}",
                           "{\"a\":\"\\ud800\"}", "{\"a\":\"\t\"}", "{}{}", "{\"a\":1,}"}) {
    EXPECT_TRUE(bad_reason(text).starts_with("invalid JSON: ")) << text << ": " << bad_reason(text);
  }
}

TEST(ParseJsonRecord, KeepsMessagesShortAndPrintable) {
  const std::string reason = bad_reason("\"" + std::string(10000, 'x') + "\xff");
  EXPECT_LT(reason.size(), 250u);
  EXPECT_TRUE(is_valid_utf8(reason));
}

TEST(ParseJsonRecord, FollowsTheJsonTestSuite) {
  MINILLM_REQUIRE_TEST_DATA("hostile/JSONTestSuite/test_parsing");
  const std::string directory = test_data_path("hostile/JSONTestSuite/test_parsing");
  int accepted = 0, refused = 0;
  for (const std::string& name : list_directory(directory)) {
    const std::string reason = bad_reason(read_file(join_path(directory, name)));
    if (name.starts_with("y_") && name.find("duplicated_key") == std::string::npos) {
      EXPECT_EQ(reason, "accepted") << name;
      ++accepted;
    } else if (name == "n_number_NaN.json" || name.ends_with("infinity.json")) {
      EXPECT_EQ(reason, "accepted") << name << ": what Python writes for a missing number";
    } else if (name.starts_with("n_") || name.starts_with("y_")) {
      EXPECT_NE(reason, "accepted") << name;
      ++refused;
    }
  }
  EXPECT_EQ(accepted, 93);
  EXPECT_EQ(refused, 187);
}

TEST(LineReader, NamesWhatItCannotRead) {
  const TempDir directory;
  EXPECT_ERROR(LineReader("/nonexistent/x.txt"),
               "'/nonexistent/x.txt': cannot open: No such file or directory");
  EXPECT_ERROR(LineReader(directory.path()), "cannot read: it is a directory");
}

TEST(LineReader, GivesTheLinesOfAFileLargerThanItsBuffer) {
  const TempDir directory;
  std::string content;
  for (int i = 0; i < 200000; ++i) content += std::to_string(i) + "\n";
  LineReader reader(directory.write("x.txt", content));
  int count = 0;
  for (std::string_view line; reader.next(line); ++count) {
    ASSERT_EQ(line, std::to_string(count));
    ASSERT_EQ(content.substr(reader.offset(), line.size()), line);
  }
  EXPECT_EQ(count, 200000);
  EXPECT_EQ(reader.line_number(), 200000);
}

}  // namespace
}  // namespace minillm
