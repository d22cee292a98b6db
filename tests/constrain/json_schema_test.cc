#include "libminillm/constrain/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/constrain/grammar_text.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::obeys;

void expect_texts(const std::string& schema, const std::vector<std::string>& good,
                  const std::vector<std::string>& bad) {
  const Grammar grammar = json_schema_grammar(schema);
  for (const std::string& text : good) EXPECT_TRUE(obeys(grammar, text)) << schema << ": " << text;
  for (const std::string& text : bad) EXPECT_FALSE(obeys(grammar, text)) << schema << ": " << text;
}
void expect_refused(const std::string& schema, const std::string& what) {
  EXPECT_ERROR(json_schema_grammar(schema), what);
}

TEST(JsonSchema, AnythingIsAnyCompactJson) {
  for (const char* schema : {"{}", "true", R"({"description": "free"})"})
    expect_texts(schema, {"null", "true", "-1.5e3", R"("a\n")", "[]", "{}", R"([1,{"a":[{}]}])"},
                 {"", "nul", "[1,]", "[1 ]", "{\"a\":1,}", "{a:1}", "'a'", "[", " 1"});
}

TEST(JsonSchema, NumbersAreSpelledInOneWay) {
  expect_texts(R"({"type": "number"})",
               {"0", "-0.5", "10.25", "1e5", "2E-10", "12345678901234567", "0.1234567890123456"},
               {"-0", "01", "1.", ".5", "3.5.5", "1e5e5", "1e", "+1", "123456789012345678",
                "1234567890.12345678", "1e123", "NaN", "0x1"});
  expect_texts(R"({"type": "integer"})", {"0", "-1", "99999999999999999"},
               {"-0", "1.0", "1e2", "00", "100000000000000000"});
}

TEST(JsonSchema, IntegersKeepTheirBounds) {
  for (const auto& [low, high] : std::vector<std::pair<int, int>>{
           {0, 0}, {3, 17}, {-5, 5}, {-120, -7}, {-1000, 1}, {99, 1001}, {-1, 0}, {10, 99}}) {
    const Grammar grammar =
        json_schema_grammar(R"({"type": "integer", "minimum": )" + std::to_string(low) +
                            R"(, "maximum": )" + std::to_string(high) + "}");
    for (int i = -1100; i <= 1100; ++i)
      ASSERT_EQ(obeys(grammar, std::to_string(i)), low <= i && i <= high) << i;
    EXPECT_FALSE(obeys(grammar, "-0"));
  }
  expect_texts(R"({"type": "integer", "exclusiveMinimum": 1.5, "exclusiveMaximum": 4})", {"2", "3"},
               {"1", "4"});
  expect_texts(R"({"type": "integer", "minimum": 9000000000})", {"9000000000", "10000000000"},
               {"8999999999", "-9000000001"});
  expect_refused(R"({"type": "integer", "minimum": 5, "maximum": 4})",
                 "schema: $: no integer is in its bounds");
  expect_refused(R"({"type": "integer", "minimum": 1e30})", "no integer is in its bounds");
}

TEST(JsonSchema, StringsAreWholeCharactersAndEscapes) {
  expect_texts(R"({"type": "string"})",
               {R"("")", R"("é\"\\\/\b\f\n\r\té")", R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\""},
               {R"("\ud83d")", R"("\ude00\ud83d")", R"("\ud83d\u0041")", "\"\n\"", "\"\xff\"",
                "\"\xc3\"", R"("\x")", R"("a""a")"});
}

TEST(JsonSchema, LengthsCountCharacters) {
  expect_texts(R"({"type": "string", "minLength": 2, "maxLength": 3})",
               {R"("ab")", R"("éßç")", R"("\ud83d\ude00\n")"}, {R"("a")", R"("abcd")", R"("")"});
  const Grammar grammar = json_schema_grammar(R"({"type": "string", "maxLength": 65536})");
  const std::string most(65536, 'x');
  EXPECT_TRUE(obeys(grammar, '"' + most + '"'));
  EXPECT_FALSE(obeys(grammar, "\"x" + most + '"'));
}

TEST(JsonSchema, PatternsAreSearchedForAndEscaped) {
  expect_texts(R"({"type": "string", "pattern": "^a.c$"})", {R"("abc")", R"("a\"c")", R"("aéc")"},
               {R"("a"c")", R"("abcd")", R"("a\u0062c")"});
  expect_texts(R"({"type": "string", "pattern": "b+"})", {R"("abba")", R"("b")"}, {R"("aca")"});
  expect_texts(R"({"type": "string", "pattern": "^(ab)*$", "minLength": 3, "maxLength": 5})",
               {R"("abab")"}, {R"("ab")", R"("ababab")", R"("aba")"});
  expect_refused(R"({"type": "string", "pattern": "^(ab)*$", "minLength": 3, "maxLength": 3})",
                 "schema: $.pattern: matches no text of the length");
  expect_refused(R"j({"properties": {"a": {"pattern": "(?=x)"}}})j",
                 "schema: $.properties.a.pattern: character 1: look-ahead");
}

TEST(JsonSchema, FormatsAreExact) {
  const auto format = [](const char* name) {
    return R"({"type": "string", "format": ")" + std::string(name) + "\"}";
  };
  expect_texts(format("date"), {R"("2024-02-29")", R"("2000-02-29")", R"("2023-12-31")"},
               {R"("2023-02-29")", R"("1900-02-29")", R"("2023-04-31")", R"("2023-00-10")",
                R"("2023-1-1")"});
  expect_texts(format("time"), {R"("23:59:59Z")", R"("00:00:00.123+02:00")"},
               {R"("24:00:00Z")", R"("10:60:00Z")", R"("10:00:00")"});
  expect_texts(format("date-time"), {R"("2024-02-29T10:00:00Z")"},
               {R"("2024-02-30T10:00:00Z")", R"("2024-02-29 10:00:00Z")", R"("2024-02-29")"});
  expect_texts(
      format("uuid"), {R"("123e4567-e89b-12d3-a456-426614174000")"},
      {R"("123e4567e89b12d3a456426614174000")", R"("123e4567-e89b-12d3-a456-42661417400")"});
  expect_texts(format("ipv4"), {R"("0.0.0.0")", R"("255.249.199.9")"},
               {R"("256.0.0.1")", R"("01.2.3.4")", R"("1.2.3")"});
  expect_texts(format("email"), {R"("a.b+c@example.org")"},
               {R"("a@b")", R"("@b.c")", R"("a..b@c.d")", R"("a@-b.c")"});
  expect_refused(format("iri"), "schema: $.format: 'iri': not supported: expected \"date\"");
}

TEST(JsonSchema, MembersComeInTheOrderOfPropertiesAndOnce) {
  const char* schema = R"({"type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"type": "boolean"}},
    "required": ["b"], "additionalProperties": false})";
  expect_texts(
      schema,
      {R"({"b":null})", R"({"a":1,"b":null})", R"({"b":null,"c":true})",
       R"({"a":1,"b":null,"c":false})"},
      {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,"b":null})", R"({"b":null,"d":1})",
       R"({,"b":null})", R"({"a":1"b":null})", R"({"a":1, "b":null})", R"({"\u0062":null})"});
  expect_texts(R"({"properties": {"a": {}, "b": {}}})",
               {"{}", R"({"a":1})", R"({"b":[]})", R"({"a":1,"b":2})"}, {R"({"x":1})", "1"});
}

TEST(JsonSchema, OtherMembersFollowTheDeclaredOnesAndHaveOtherNames) {
  const char* schema = R"({"type": "object", "properties": {"a": {"type": "integer"}},
                           "additionalProperties": {"type": "string"}})";
  expect_texts(schema, {"{}", R"({"x":"y"})", R"({"a":1,"x":"y","ab":"z"})", R"({"":"e"})"},
               {R"({"x":1})", R"({"x":"y","a":1})", R"({"a":"text"})", R"({"\u0061":"text"})"});
  expect_texts(R"({"type": "object"})", {"{}", R"({"x":[1],"y":{}})"}, {"[]", R"({"x"})"});
  expect_texts(R"({"type": "object", "required": ["k"]})", {R"({"k":1})", R"({"k":1,"l":2})"},
               {"{}", R"({"l":2})"});
  expect_refused(R"({"type": "object", "required": ["k"], "additionalProperties": false})",
                 "schema: $: requires 'k', which 'additionalProperties' excludes");
}

TEST(JsonSchema, ArraysKeepTheirCounts) {
  expect_texts(R"({"type": "array", "items": {"enum": [1, 2]}, "minItems": 1, "maxItems": 3})",
               {"[1]", "[1,2,1]"}, {"[]", "[1,2,1,2]", "[3]", "[1,]", "[1, 2]"});
  expect_texts(R"({"type": "array", "items": {"type": "null"}})", {"[]", "[null,null]"}, {"[,]"});
  expect_texts(R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"});
  expect_texts(R"({"type": "array", "items": false})", {"[]"}, {"[1]"});
}

TEST(JsonSchema, ValuesAreSpelledCompactly) {
  expect_texts(R"({"enum": ["a b", 1.5, {"z": [1, 2], "a": null}]})",
               {R"("a b")", "1.5", R"({"z":[1,2],"a":null})"},
               {R"({"a":null,"z":[1,2]})", R"({"z": [1,2],"a":null})", "1.50"});
  expect_texts(R"({"const": "x\"y"})", {R"("x\"y")"}, {R"("x")"});
  expect_texts(R"({"type": "string", "enum": ["a", null, 1]})", {R"("a")"}, {"null", "1"});
  expect_refused(R"({"type": "string", "enum": [1]})", "schema: $.enum: no value is of the type");
}

TEST(JsonSchema, AlternativesAndReferencesMayRecur) {
  const char* tree = R"({"$defs": {"node": {"type": "object", "properties": {
      "name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
      "required": ["name"], "additionalProperties": false}}, "$ref": "#/$defs/node"})";
  expect_texts(tree, {R"({"name":"a"})", R"({"name":"a","children":[{"name":"b","children":[]}]})"},
               {R"({"name":"a","children":[{}]})", R"({"children":[]})"});
  expect_texts(R"({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"const": 0}]})",
               {"0", "[]", "[[0],0]"}, {"[1]", "[0"});
  expect_texts(R"({"type": ["integer", "null"], "minimum": 0})", {"null", "3"}, {"-3", "\"a\""});
  expect_texts(R"({"oneOf": [{"type": "string"}, {"type": "integer"}]})", {"\"a\"", "1"}, {"null"});
  expect_texts(R"({"definitions": {"a/b~%": {"const": 1}}, "$ref": "#/definitions/a~1b~0%25"})",
               {"1"}, {"2"});
}

TEST(JsonSchema, WhatItCannotDoIsRefusedByName) {
  expect_refused(R"({"properties": {"a": {"not": {}}}})",
                 "schema: $.properties.a: keyword 'not': not supported");
  expect_refused(R"({"type": "number", "minimum": 1})",
                 "schema: $: keyword 'minimum' for type 'number': not supported");
  expect_refused(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})",
                 "keyword 'oneOf' unless its schemas have types that exclude each other");
  expect_refused(R"({"allOf": [{}, {}]})", "keyword 'allOf' of several: not supported");
  expect_refused(R"({"anyOf": [{}], "minLength": 1})", "keyword 'minLength' beside 'anyOf'");
  expect_refused(R"({"items": [{}]})", "keyword 'items' as an array: not supported");
  expect_refused(R"({"type": "array", "uniqueItems": true})", "keyword 'uniqueItems'");
  expect_refused(R"({"patternProperties": {}})", "keyword 'patternProperties': not supported");
  expect_refused(R"({"$ref": "other.json#/a"})", "$ref 'other.json#/a': not supported");
  expect_refused(R"({"$ref": "#/nowhere"})", "$ref '#/nowhere': there is no 'nowhere'");
  expect_refused(R"({"type": "strnig"})", "schema: $.type: expected the name of a type");
  expect_refused(R"({"minLength": 1, "minItems": 1})", "expected 'type' beside keywords");
  expect_refused(R"({"type": "string", "minLength": -1})",
                 "expected an integer of 0 or more, got -1");
  expect_refused(R"({"type": "string", "minLength": 3, "maxLength": 2})", "above 'maxLength'");
  expect_refused(R"({"minItems": 1e9})", "schema: $: 'minItems': expected at most 65536");
  expect_refused(R"({"properties": {"a": 3}})",
                 "schema: $.properties.a: expected a schema, which is an object");
  expect_refused("{", "schema: not valid JSON");
  expect_refused("3", "schema: $: expected a schema");
}

TEST(JsonSchema, WhatHasNoFiniteTextIsRefused) {
  expect_refused("false", "schema: no finite text can satisfy it");
  expect_refused(R"({"$ref": "#"})", "no finite text");
  expect_refused(R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "no finite text");
  expect_refused(R"({"items": {"$ref": "#"}, "minItems": 1})", "no finite text");
  // Where there is another way, that is taken.
  expect_texts(R"({"properties": {"a": {"$ref": "#"}, "b": false}})", {"{}", R"({"a":{}})"},
               {R"({"b":1})"});
  expect_texts(R"({"anyOf": [{"items": {"$ref": "#/anyOf/0"}, "minItems": 1}, {"const": 1}]})",
               {"1"}, {"[]", "[1]", "["});
}

std::string many(size_t count, const std::function<std::string(size_t)>& part) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ",") + part(i);
  return all;
}

TEST(JsonSchema, BombsAreRefusedOrCompiledInTime) {
  const auto number = [](size_t i) { return std::to_string(i); };
  const std::string deep_end(70, '}');
  std::string deep;
  for (int i = 0; i < 70; ++i) deep += R"({"items":)";
  std::string chain =
      R"({"$ref": "#/$defs/0", "$defs": {)" +
      many(5000,
           [&](size_t i) {
             return "\"" + number(i) + R"(": {"$ref": "#/$defs/)" + number(i + 1) + "\"}";
           }) +
      "}}";
  const std::string twice = R"([{"$ref": "#/$defs/N"}, {"$ref": "#/$defs/N"}])";
  std::string doubling = R"({"$ref": "#/$defs/0", "$defs": {)" +
                         many(60,
                              [&](size_t i) {
                                std::string both = twice;
                                for (size_t at; (at = both.find('N')) != std::string::npos;)
                                  both.replace(at, 1, number(i + 1));
                                return "\"" + number(i) + R"(": {"anyOf": )" + both + "}";
                              }) +
                         R"(, "60": {"const": 1}}})";
  for (const auto& [schema, error] : std::vector<std::pair<std::string, std::string>>{
           {R"({"enum": [)" + many(1000000, number) + "]}", "too large: expected at most"},
           {R"({"enum": [)" + many(20000, number) + "]}", ""},
           {deep + "1" + deep_end, "nested deeper"},
           {chain, "expected at most 1000 references"},
           {doubling, ""},
           {R"({"properties": {)" +
                many(3000, [&](size_t i) { return "\"p" + number(i) + "\": {}"; }) + "}}",
            ""},
           {R"({"type": "string", "pattern": "^(a|b)*a(a|b){1000}$"})", "too large"},
           {R"({"type": "string", "pattern": "^.*$", "maxLength": 65536})", "takes more than"},
           {R"({"properties": {)" +
                many(200,
                     [&](size_t i) {
                       return "\"p" + number(i) +
                              R"(": {"type": "string", "pattern": "^[a-z]{0,1000})" + number(i) +
                              "$\"}";
                     }) +
                "}}",
            "too large"},
           {R"({"properties": {)" +
                many(5000,
                     [&](size_t i) {
                       return "\"p" + number(i) + R"j(": {"pattern": "^((a?){30}){30})j" +
                              number(i) + "$\"}";
                     }) +
                "}}",
            "too large"},
           {R"({"additionalProperties": {}, "properties": {)" +
                many(3000, [&](size_t i) { return "\"p" + number(i) + "\": {}"; }) + "}}",
            "expected at most 8192 bytes of keys"}}) {
    const std::clock_t begin = std::clock();
    std::string message;
    try {
      json_schema_grammar(schema);
    } catch (const Error& refused) {
      message = refused.what();
    }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_THAT(message, testing::HasSubstr(error)) << schema.substr(0, 60);
    EXPECT_EQ(message.empty(), error.empty()) << message;
    EXPECT_LT(seconds, 1) << schema.substr(0, 60);  // tens of milliseconds without sanitizers
  }
}

}  // namespace
}  // namespace minillm
