// Python's literals as JSON, and apostrophes in them.

#include "libminillm/data/python_literal.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

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

// What repr() of Python 3.11 writes.
TEST(PythonLiteral, IsWrittenAsPythonWritesIt) {
  EXPECT_EQ(python_of_json(R"({"z": 1.0, "a": [true, false, null, -1e3], "b": {}})"),
            "{'z': 1.0, 'a': [True, False, None, -1e3], 'b': {}}");
  EXPECT_EQ(python_of_json(R"(["it's", "a \"word\"", "it's \"one\"", "", "true"])"),
            R"(["it's", 'a "word"', 'it\'s "one"', '', 'true'])");
  EXPECT_EQ(
      python_of_json(
          R"("a\nb\t\r\\ \u0001\u007f\u00a0\u00e9\u200b\u2028\u20ac\ud83d\ude00\udb80\udc00")"),
      "'a\\nb\\t\\r\\\\ "
      "\\x01\\x7f\\xa0\xc3\xa9\\u200b\\u2028\xe2\x82\xac\xf0\x9f\x98\x80\\U000f0000'");
  EXPECT_ERROR(python_of_json("[\"open"), "a string is not closed");
}

// There and back.
TEST(PythonLiteral, OfJsonIsThatJson) {
  for (const char* json :
       {R"({"a": [true, null, 2.5], "b": {"c": "x, 'y': \"z\""}})", R"(["\\", "\n"])"})
    EXPECT_EQ(json_of_python(python_of_json(json), SingleQuote::kBeforePunctuation), json);
}

}  // namespace
}  // namespace minillm
