// Python's literals as JSON, and apostrophes in them.

#include "libminillm/data/python_literal.h"

#include <gtest/gtest.h>

namespace minillm {
namespace {

TEST(PythonLiteral, BecomesJson) {
  const auto json = [](std::string_view text) {
    return json_of_python(text, SingleQuote::kBeforePunctuation);
  };
  EXPECT_EQ(json("{'z': 1.0, 'a': [True, False, None, -1e3]}"),
            R"({"z": 1.0, "a": [true, false, null, -1e3]})");
  EXPECT_EQ(json(R"({"a": "it's", 'b': 'it's', 'c': 'it\'s', 'd': '"x"'})"),
            R"({"a": "it's", "b": "it's", "c": "it's", "d": "\"x\""})");
  EXPECT_EQ(json(R"(['a\nb\\', '\xe9', 'None', "True", TrueNone, ''])"),
            R"(["a\nb\\", "\u00e9", "None", "True", TrueNone, ""])");
  EXPECT_EQ(json("['a\nb' , 'c' ]"), "[\"a\\u000ab\" , \"c\" ]");
  EXPECT_EQ(json("['open"), "['open");
  EXPECT_EQ(json(R"(['\U0001f600'])"), R"(["\U0001f600"])") << "no JSON, and so no wrong letter";
}

TEST(PythonLiteral, JsonInASingleQuotedStringStaysAsItIs) {
  EXPECT_EQ(json_of_python(R"({"arguments": '{"a": "x\ny", "b": "it\'s"}'})",
                           SingleQuote::kBeforePunctuation),
            R"({"arguments": "{\"a\": \"x\\ny\", \"b\": \"it's\"}"})");
  const char* dogs = R"({'arguments': '{"a": "the dogs', and"}'})";
  EXPECT_EQ(json_of_python(dogs, SingleQuote::kAfterBrace),
            R"({"arguments": "{\"a\": \"the dogs', and\"}"})");
}

}  // namespace
}  // namespace minillm
