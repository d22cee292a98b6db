// Random schemas of what is supported, with random tokens: whatever is drawn parses and satisfies
// the schema. 600 schemas; 10,000 with MINILLM_LONG_TESTS=1.

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "libminillm/constrain/constraint.h"
#include "libminillm/core/error.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/utf8.h"
#include "tests/constrain/grammar_text.h"
#include "tests/constrain/schema_validator.h"
#include "tests/data/test_tokenizer.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using minillm_testing::test_tokenizer;

class SchemaMaker {
 public:
  explicit SchemaMaker(Rng& rng) : rng_(rng) {}

  Json make() {
    Json root = schema(4);
    if (!used_.empty()) {
      for (size_t i = 0; i < used_.size(); ++i) {  // which may come to use another
        const std::string name = used_[i];
        definitions_[name] = object(1);
      }
      root["$defs"] = definitions_;
    }
    return root;
  }

 private:
  Json schema(int depth) {
    switch (rng_.below(depth > 0 ? 12 : 8)) {
      case 0:
        return integer();
      case 1:
        return {{"type", "number"}};
      case 2:
        return text();
      case 3:
        return pattern();
      case 4:
        return values();
      case 5:
        return {{"type", rng_.chance(0.5) ? Json("boolean") : Json::array({"null", "string"})}};
      case 6:
        return reference();
      case 7:
        return rng_.chance(0.2) ? Json(true) : Json{{"const", value()}};
      case 8:
        return {{"anyOf", {schema(depth - 1), schema(depth - 1)}}};
      case 9:
        return array(depth);
      default:
        return object(depth);
    }
  }

  Json integer() {
    Json made = {{"type", "integer"}};
    const int64_t low = static_cast<int64_t>(rng_.below(3000)) - 1500;
    if (rng_.chance(0.5)) made[rng_.chance(0.5) ? "minimum" : "exclusiveMinimum"] = low;
    if (rng_.chance(0.5))
      made[rng_.chance(0.5) ? "maximum" : "exclusiveMaximum"] =
          low + 2 + static_cast<int64_t>(rng_.below(3000));
    return made;
  }
  Json text() {
    Json made = {{"type", "string"}};
    const uint64_t low = rng_.below(6);
    if (rng_.chance(0.5)) made["minLength"] = low;
    if (rng_.chance(0.7)) made["maxLength"] = low + rng_.below(9);
    return made;
  }
  Json pattern() {
    static const std::vector<std::string> kPatterns = {
        "^[a-z]{2,8}$",      "^\\d+(\\.\\d{1,2})?$", "[g-p]",
        "^(the|a) [a-z ]*$", "^[a-f\"]+\"$",         "^[^a-z]{3}",
        "^a\\\\[b\\n]$",     "^(ab|c)*d?$",          "[xyz]$"};
    static const std::vector<std::string> kFormats = {"date", "time",  "date-time",
                                                      "uuid", "email", "ipv4"};
    if (rng_.chance(0.4)) return {{"type", "string"}, {"format", rng_.pick(kFormats)}};
    Json made = {{"type", "string"}, {"pattern", rng_.pick(kPatterns)}};
    if (rng_.chance(0.4)) made["maxLength"] = 12 + rng_.below(20);
    return made;
  }
  Json value() {
    static const std::vector<Json> kValues = {Json(),
                                              true,
                                              1,
                                              -2.5,
                                              "the goose",
                                              "q\"\n\xc3\xa9",
                                              Json::array({1, "a"}),
                                              {{"z", 1}, {"a", Json()}}};
    return rng_.pick(kValues);
  }
  Json values() {
    Json list = Json::array();
    for (uint64_t i = 1 + rng_.below(5); i > 0; --i) list.push_back(value());
    return {{"enum", list}};
  }
  Json array(int depth) {
    Json made = {{"type", "array"}, {"items", schema(depth - 1)}};
    const uint64_t low = rng_.below(3);
    if (rng_.chance(0.5)) made["minItems"] = low;
    if (rng_.chance(0.5)) made["maxItems"] = low + rng_.below(3);
    return made;
  }
  Json object(int depth) {
    static const std::vector<std::string> kKeys = {"a",        "ab",  "the", "goose",
                                                   "\xc3\xa9", "q\"", "b"};
    Json made = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
    for (const std::string& key : kKeys) {
      if (!rng_.chance(0.4)) continue;
      made["properties"][key] = schema(depth - 1);
      if (rng_.chance(0.5)) made["required"].push_back(key);
    }
    if (rng_.chance(0.3)) made["additionalProperties"] = rng_.chance(0.5) ? Json(false) : text();
    return made;
  }
  Json reference() {
    const std::string name = rng_.chance(0.5) ? "x" : "y";
    if (std::ranges::find(used_, name) == used_.end()) used_.push_back(name);
    return {{"$ref", "#/$defs/" + name}};
  }

  Rng& rng_;
  std::vector<std::string> used_;
  Json definitions_ = Json::object();
};

// Any allowed tokens; after a while mostly those that close something.
Token draw(const TokenMask& allowed, const std::vector<Token>& ends, size_t drawn, Rng& rng) {
  const Tokenizer& tokenizer = test_tokenizer();
  std::vector<Token> all, closing;
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!allowed.contains(id)) continue;
    all.push_back(id);
    const std::string& bytes = tokenizer.token_bytes(id);
    const bool is_end = std::ranges::find(ends, id) != ends.end();
    if (is_end || bytes == "\"" || bytes == "]" || bytes == "}") closing.push_back(id);
  }
  if (all.empty()) throw Error("a dead end");
  return !closing.empty() && drawn > 60 && rng.chance(0.6) ? rng.pick(closing) : rng.pick(all);
}

TEST(RandomSchemas, EveryTextParsesAndSatisfiesItsSchema) {
  const int schemas = std::getenv("MINILLM_LONG_TESTS") != nullptr ? 10'000 : 600;
  const auto trie = std::make_shared<const TokenTrie>(test_tokenizer());
  const std::vector<Token> ends = test_tokenizer().end_tokens();
  int compiled_schemas = 0, others = 0, wrong = 0;
  for (int i = 0; i < schemas; ++i) {
    Rng rng(5, static_cast<uint64_t>(i));
    const std::string schema = SchemaMaker(rng).make().dump();
    SCOPED_TRACE(schema);
    std::shared_ptr<const CompiledConstraint> compiled;
    try {
      compiled = CompiledConstraint::of_json_schema(schema, trie);
    } catch (const Error& error) {  // requires what refers to itself
      ASSERT_STREQ(error.what(), "schema: no finite text can satisfy it");
      continue;
    }
    ++compiled_schemas;
    const minillm_testing::SchemaValidator validator(nlohmann::json::parse(schema));
    for (int text_number = 0; text_number < 3; ++text_number) {
      TokenConstraint constraint(compiled, ends);
      std::string text;
      for (size_t drawn = 0;; ++drawn) {
        ASSERT_LT(drawn, 20'000u) << text.substr(0, 2000);
        const Token token = draw(constraint.allowed(), ends, drawn, rng);
        if (std::ranges::find(ends, token) != ends.end()) break;
        constraint.accept(token);
        text += test_tokenizer().token_bytes(token);
      }
      ASSERT_TRUE(is_valid_utf8(text)) << text;
      ASSERT_TRUE(nlohmann::json::accept(text)) << text;
      ASSERT_TRUE(validator.accepts(nlohmann::json::parse(text))) << text;
      ASSERT_TRUE(minillm_testing::obeys(compiled->grammar(), text)) << text;
      // Whatever else the grammar takes, the validator takes, too.
      for (int k = 0; k < 10; ++k) {
        std::string mutant = text;
        mutant[rng.below(mutant.size())] = "\"[]{}:,0a-e.\\ "[rng.below(14)];
        if (rng.chance(0.5)) mutant.erase(rng.below(mutant.size()), 1);
        if (!minillm_testing::obeys(compiled->grammar(), mutant)) continue;
        ++others;
        wrong +=
            !nlohmann::json::accept(mutant) || !validator.accepts(nlohmann::json::parse(mutant));
      }
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << others;
  EXPECT_GT(others, schemas);
  EXPECT_GT(compiled_schemas, schemas / 2);
}

}  // namespace
}  // namespace minillm
