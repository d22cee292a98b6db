// The JSON Schema organisation's own test suite, as Debian's package json-schema-test-suite has it.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "libminillm/constrain/json_schema.h"
#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "tests/constrain/grammar_text.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using minillm_testing::obeys;

// With the members that `properties` declares in its order, and then the others, as the grammar
// writes them.
Json in_order(const Json& schema, const Json& value) {
  if (!schema.is_object()) return value;
  if (value.is_array() && schema.contains("items") && schema["items"].is_object()) {
    Json ordered = Json::array();
    for (const Json& item : value) ordered.push_back(in_order(schema["items"], item));
    return ordered;
  }
  if (!value.is_object() || !schema.contains("properties")) return value;
  Json ordered = Json::object();
  for (const auto& [key, of_key] : schema["properties"].items())
    if (value.contains(key)) ordered[key] = in_order(of_key, value[key]);
  for (const auto& [key, member] : value.items())
    if (!ordered.contains(key)) ordered[key] = member;
  return ordered;
}

// What is invalid is never written. What is valid need not be: some of it the grammar spells in
// another way, or not at all (json_schema.h).
TEST(SchemaSuite, NothingInvalidIsEverAllowed) {
  const std::filesystem::path root = "/usr/share/json-schema-test-suite/tests";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "without the package json-schema-test-suite";
  int groups = 0, compiled = 0, valid = 0, allowed = 0, invalid = 0;
  for (const char* draft : {"draft4", "draft6", "draft7"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / draft)) {
      if (entry.path().extension() != ".json") continue;
      for (const Json& group : Json::parse(read_file(entry.path().string()))) {
        ++groups;
        std::optional<Grammar> grammar;
        try {
          grammar = json_schema_grammar(group["schema"].dump());
        } catch (const Error&) {  // not supported, or satisfied by no text
          continue;
        }
        ++compiled;
        for (const Json& test : group["tests"]) {
          const std::string text = in_order(group["schema"], test["data"]).dump();
          if (test["valid"] == true) {
            ++valid;
            allowed += obeys(*grammar, text);
            continue;
          }
          ++invalid;
          EXPECT_FALSE(obeys(*grammar, text))
              << entry.path() << ": " << group["description"] << ": " << test["description"] << ": "
              << text << " under " << group["schema"];
        }
      }
    }
  }
  std::printf(
      "%d of %d schemas are supported; of their instances all %d invalid ones are refused, "
      "and %d of %d valid ones written\n",
      compiled, groups, invalid, allowed, valid);
  EXPECT_GT(compiled, 100);
  EXPECT_GT(invalid, 200);
  EXPECT_GT(allowed * 2, valid);
}

}  // namespace
}  // namespace minillm
