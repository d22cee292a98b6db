#include "libminillm/core/json_spelling.h"

#include <gtest/gtest.h>

#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

std::string spelled(std::string_view text, size_t max_depth = 8) {
  try {
    return spelled_json(text, max_depth);
  } catch (const JsonFault& fault) {
    return "fault " + std::to_string(fault.kind);
  }
}

TEST(JsonSpelling, KeepsOrderAndDigitsAndSpacesAsPythonDoes) {
  EXPECT_EQ(spelled("{\"b\":1.0,\"a\":[1E5, -0.50,12345678901234567890123,true,null ,{}, []]}\n"),
            R"({"b": 1.0, "a": [1E5, -0.50, 12345678901234567890123, true, null, {}, []]})");
  EXPECT_EQ(spelled(R"("\u00e9\/\n\u0001\"")"), "\"\xc3\xa9/\\n\\u0001\\\"\"");
  EXPECT_EQ(spelled(" 7 "), "7");
}

TEST(JsonSpelling, RefusesWhatTheParserRefuses) {
  for (const char* text : {"", "{", "{\"a\":1,}", "1 2", "\"\\ud800\"", "[1}"})
    EXPECT_EQ(spelled(text), "fault 0") << text;
  EXPECT_EQ(spelled("1e999"), "fault " + std::to_string(JsonFault::kRange));
  EXPECT_EQ(spelled(R"({"a":1,"a":2})"), "fault " + std::to_string(JsonFault::kDuplicateKey));
  EXPECT_EQ(spelled("[[[[1]]]]", 4), "[[[[1]]]]");
  EXPECT_EQ(spelled("[[[[1]]]]", 3), "fault " + std::to_string(JsonFault::kDepth));
  EXPECT_EQ(spelled(std::string_view("1\0", 2)), "fault 0");
}

TEST(BuildJson, MembersKeptAsTextAreStrings) {
  constexpr std::string_view kKept[] = {"tools"};
  const auto built = [&](std::string_view text, size_t depth = 8) {
    return build_json(text, depth, kKept);
  };
  EXPECT_EQ(built(R"({"tools":[{"z":1.0,"a":"x"}],"b":[{"tools":{"c":{}}}],"d":[1.0]})"),
            nlohmann::json({{"tools", R"([{"z": 1.0, "a": "x"}])"},
                            {"b", {{{"tools", R"({"c": {}})"}}}},
                            {"d", {1.0}}}));
  // What is no container stays as it is, and so does an empty one.
  EXPECT_EQ(built(R"({"tools":"x","b":{"tools":[]},"c":{"tools":null}})"),
            nlohmann::json({{"tools", "x"},
                            {"b", {{"tools", nlohmann::json::array()}}},
                            {"c", {{"tools", nullptr}}}}));
  EXPECT_EQ(built(R"(["tools",[1]])"), nlohmann::json({"tools", {1}}));
  EXPECT_THROW(built(R"({"tools":[{"a":1,"a":2}]})"), JsonFault);
  EXPECT_NO_THROW(built(R"({"tools":[[[1]]]})", 4));
  EXPECT_THROW(built(R"({"tools":[[[1]]]})", 3), JsonFault);
}

}  // namespace
}  // namespace minillm
