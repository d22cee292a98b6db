#include "tests/fuzz/constrain_targets.h"

#include <nlohmann/json.hpp>
#include <numeric>

#include "libminillm/constrain/json_schema.h"
#include "libminillm/constrain/pushdown.h"
#include "libminillm/constrain/regex.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/utf8.h"
#include "libminillm/policy/text_filter.h"
#include "tests/fuzz/helpers.h"

namespace minillm_testing {
namespace {

using namespace minillm;

constexpr size_t kSteps = 300;

}  // namespace

void json_schema(std::string_view bytes) {
  accepted([&] {
    const Grammar grammar = json_schema_grammar(bytes);
    StackPool pool(grammar);
    Rng rng(bytes.size());
    Stacks stacks = pool.start(grammar.start());
    std::string text;
    for (size_t step = 0; step < kSteps; ++step) {
      require(!stacks.empty());
      if (stacks.front() == kNothingLeft) require(nlohmann::json::accept(text));
      const Stack stack = rng.pick(stacks);
      if (stack == kNothingLeft) return;
      const auto edges = grammar.edges(pool[stack].at);
      const ByteEdge& edge = edges[rng.below(edges.size())];
      const auto byte = static_cast<uint8_t>(edge.low + rng.below(edge.high - edge.low + 1u));
      bool overflow = false;
      stacks = pool.after(stacks, byte, &overflow);
      if (overflow) return;
      text += static_cast<char>(byte);
    }
  });
}

std::vector<std::string> json_schema_seeds() {
  return {
      "{}",
      R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": -5, "exclusiveMaximum": 120}, "b": {"type": ["string", "null"], "maxLength": 5}}, "required": ["a", "x"], "additionalProperties": {"type": "number"}})",
      R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}, "minItems": 1, "maxItems": 3}}})",
      R"({"anyOf": [{"enum": ["a", 1.5, {"k": [null]}]}, {"const": "\u00e9"}, {"items": {"$ref": "#"}}]})",
      R"({"type": "string", "pattern": "^[a-z]+\\d{2}$|x", "minLength": 3, "maxLength": 9})",
      R"({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "boolean"}]})",
      R"({"properties": {"a~/%": {"$ref": "#/properties/b"}, "b": {"format": "email"}}, "title": "t"})"};
}

// One of the four ways for each input: a compilation may use all the work it is allowed, half a
// second under the sanitizers.
void regex(std::string_view bytes) {
  Rng rng(std::accumulate(bytes.begin(), bytes.end(), uint64_t{bytes.size()}));
  const RegexMatch match = rng.below(2) ? RegexMatch::kWhole : RegexMatch::kSearch;
  const RegexText form = rng.below(2) ? RegexText::kPlain : RegexText::kJsonString;
  accepted([&] {
    const ByteAutomaton automaton = compile_regex(bytes, match, form);
    std::string text;
    for (uint32_t state = 0; text.size() < kSteps;) {
      const auto& [edges, accepts] = automaton.states.at(state);
      if (accepts) {
        require(is_valid_utf8(text) && automaton.matches(text));
        if (form == RegexText::kJsonString) require(nlohmann::json::accept('"' + text + '"'));
      }
      require(accepts || !edges.empty());
      if (edges.empty()) break;
      const ByteEdge& edge = edges[rng.below(edges.size())];
      text += static_cast<char>(edge.low + rng.below(edge.high - edge.low + 1u));
      state = edge.target;
    }
  });
}

std::vector<std::string> regex_seeds() {
  return {"^(a|bc)*d{2,5}$",
          "[^\\d\\s-]+\\.[\\w.]{0,9}",
          "\\u00e9\\ud83d\\ude00\\x41\\cA[\\b]",
          "(?:x(?<n>y?)){3}|^$|z",
          "[\xc3\xa0-\xf0\x9f\x98\x80]+?",
          "((a?){9}){9}"};
}

void policy(std::string_view bytes) {
  accepted([&] {
    const Policy rules = Policy::parse(std::string(bytes), "policy.toml");
    const std::string text(bytes.substr(0, 2048));
    const Policy::Screened whole = rules.screen(PolicyPlace::kOutput, text);
    TextFilter filter(rules, PolicyPlace::kOutput);
    std::string told;
    for (size_t i = 0; i < text.size(); ++i) told += filter.push(text.substr(i, 1));
    told += filter.finish();
    require(told == whole.text && filter.verdict().has_value() == whole.refused.has_value());
    if (whole.refused) return;
    for (const PolicyRule& rule : rules.rules())
      if (rule.applies_to(PolicyPlace::kOutput)) require(!contains_match(rule, told));
  });
}

std::vector<std::string> policy_seeds() {
  return {
      "[[rule]]\nname = \"a\"\nwhere = [\"input\", \"output\"]\nwords = [\"name\", \"a b\"]\ntext "
      "= "
      "\"No.\"\n",
      "[[rule]]\nname = \"b\"\nwhere = \"output\"\npattern = 'e{1,3}.'\naction = \"replace\"\ntext "
      "= "
      "\"#\"\n[[rule]]\nname = \"c\"\nwhere = \"output\"\nwords = \"where\"\ntext = \"No.\"\n",
      "[[rule]]\nname = \"m\"\nwhere = \"input\"\nmodel = { refusal = \"I\", help = \"To\", "
      "threshold = "
      "1e0 }\ntext = \"No.\"\n"};
}

}  // namespace minillm_testing
