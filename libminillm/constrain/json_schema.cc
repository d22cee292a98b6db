#include "libminillm/constrain/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "libminillm/constrain/json_text.h"
#include "libminillm/constrain/regex.h"
#include "libminillm/constrain/schema_document.h"
#include "libminillm/constrain/schema_object.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

// Of all patterns whose lengths are limited, and of all keys that others must not be.
constexpr size_t kMaxLengthStates = 20'000, kMaxOtherKeyBytes = 8'192;
constexpr size_t kMaxReferences = 1'000;
constexpr uint64_t kMostLeast = 1 << 16;  // of minLength and minItems: a text has to end

using Json = nlohmann::ordered_json;
using Rule = Grammar::Rule;

class SchemaCompiler {
 public:
  SchemaCompiler(const SchemaDocument& document, JsonSpacing spacing, Grammar& grammar)
      : document_(document), spacing_(spacing), grammar_(grammar) {}

  Rule compile() {
    const Rule start = referred("#", SchemaPath());
    while (!pending_.empty()) {
      const auto [rule, schema, path] = std::move(pending_.back());
      pending_.pop_back();
      grammar_.define(rule, value(*schema, path));
    }
    return start;
  }

 private:
  struct Pending {
    Rule rule;
    const Json* schema;
    SchemaPath path;
  };

  // What `$ref` names: compiled once, and not within what refers to it, which it may contain.
  Rule referred(const std::string& reference, const SchemaPath& path) {
    const auto [found, added] = referred_.try_emplace(reference, 0);
    if (!added) return found->second;
    MINILLM_CHECK(referred_.size() <= kMaxReferences, "{}: expected at most {} references",
                  path.text(), kMaxReferences);
    const Json& schema = document_.resolve(reference, path);
    found->second = grammar_.reserve();
    pending_.push_back({found->second, &schema, SchemaPath::of_reference(reference)});
    return found->second;
  }

  Rule value(const Json& schema, const SchemaPath& path) {
    if (schema.is_boolean())
      return schema.get<bool>() ? anything() : grammar_.choice(std::initializer_list<Rule>{});
    const SchemaObject object(schema, path);
    if (const Json* reference = object.alone("$ref"))
      return referred(expect_string(*reference, path / "$ref"), path);
    for (const char* keyword : {"anyOf", "oneOf", "allOf"})
      if (const Json* schemas = object.alone(keyword)) return combined(keyword, *schemas, path);
    if (const Json* values = object.find("enum")) return one_of(object, *values, path / "enum");
    if (const Json* constant = object.find("const"))
      return one_of(object, Json::array({*constant}), path / "const");
    const std::vector<JsonType> types = object.types();
    if (types.empty()) return anything();
    std::vector<Rule> rules;
    for (const JsonType type : types) rules.push_back(of_type(type, object, path));
    return rules.size() == 1 ? rules[0] : grammar_.choice(rules);
  }

  Rule of_type(JsonType type, const SchemaObject& object, const SchemaPath& path) {
    switch (type) {
      case JsonType::kNull:
        return grammar_.literal("null");
      case JsonType::kBoolean:
        return grammar_.words({"true", "false"});
      case JsonType::kInteger:
        return integer(object, path);
      case JsonType::kNumber:
        object.refuse({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
                      "for type 'number'");
        return number();
      case JsonType::kString:
        return string(object, path);
      case JsonType::kArray:
        return array(object, path);
      case JsonType::kObject:
        return object_rule(object, path);
    }
    return grammar_.empty();
  }

  // A text that begins or ends with a comma or a colon, after which a space may come.
  Rule punctuated(const std::string& text) {
    std::vector<std::string> words = {text};
    if (spacing_ == JsonSpacing::kSpaced) {
      if (text.front() == ',') words.push_back(", " + text.substr(1));
      if (text.back() == ':')
        for (size_t i = words.size(); i > 0; --i) words.push_back(words[i - 1] + " ");
    }
    return grammar_.words(std::move(words));
  }

  // Any JSON at all.
  Rule anything() {
    if (anything_) return *anything_;
    anything_ = grammar_.reserve();
    const Rule member = grammar_.sequence({text(), punctuated(":"), *anything_});
    grammar_.define(*anything_,
                    grammar_.choice({listed("{", member, 0, Grammar::kUnlimited, "}"),
                                     listed("[", *anything_, 0, Grammar::kUnlimited, "]"), text(),
                                     number(), grammar_.words({"true", "false", "null"})}));
    return *anything_;
  }
  Rule text() {
    if (!text_) text_ = grammar_.automaton(json_string());
    return *text_;
  }
  Rule number() {
    if (!number_) number_ = grammar_.automaton(json_number());
    return *number_;
  }

  // `least` to `most` parts between brackets, with commas.
  Rule listed(const char* open, Rule part, uint32_t least, uint32_t most, const char* close) {
    const Rule before = grammar_.literal(open), after = grammar_.literal(close);
    if (most == 0) return grammar_.sequence({before, after});
    const Rule another = grammar_.sequence({punctuated(","), part});
    const uint32_t more = most == Grammar::kUnlimited ? most : most - 1;
    const Rule some =
        grammar_.sequence({part, grammar_.repeat(another, least == 0 ? 0 : least - 1, more)});
    const Rule list = least == 0 ? grammar_.choice({some, grammar_.empty()}) : some;
    return grammar_.sequence({before, list, after});
  }

  Rule combined(const std::string& keyword, const Json& schemas, const SchemaPath& path) {
    const SchemaPath here = path / keyword;
    MINILLM_CHECK(schemas.is_array() && !schemas.empty(),
                  "{}: expected an array of schemas, got {}", here.text(), shown(schemas));
    if (keyword == "allOf" && schemas.size() > 1) unsupported(path, keyword, "of several");
    if (keyword == "oneOf" && !exclude_each_other(schemas, here))
      unsupported(path, keyword, "unless its schemas have types that exclude each other");
    std::vector<Rule> rules;
    for (size_t i = 0; i < schemas.size(); ++i) rules.push_back(value(schemas[i], here / i));
    return grammar_.choice(rules);
  }

  // Of the values those that have the type.
  Rule one_of(const SchemaObject& object, const Json& values, const SchemaPath& path) {
    MINILLM_CHECK(values.is_array() && !values.empty(), "{}: expected an array of values, got {}",
                  path.text(), shown(values));
    object.expect_only_type_beside_values();
    std::vector<std::string> words;
    for (const Json& one : values)
      if (object.has_type_of(one)) words.push_back(one.dump());
    MINILLM_CHECK(!words.empty(), "{}: no value is of the type", path.text());
    return grammar_.words(std::move(words));
  }

  Rule integer(const SchemaObject& object, const SchemaPath& path) {
    if (const Json* step = object.find("multipleOf"); step != nullptr && *step != 1)
      unsupported(path, "multipleOf", "other than 1");
    const auto [least, most] = object.integer_bounds();
    MINILLM_CHECK(least <= most, "{}: no integer is in its bounds, or none of at most 17 digits",
                  path.text());
    const auto [found, added] = integers_.try_emplace({least, most}, 0);
    if (added)
      found->second = grammar_.automaton(json_integer(least, most, path.text(), regex_work_));
    return found->second;
  }

  static void check_counts(uint64_t least, uint64_t most, const char* of, const SchemaPath& path) {
    MINILLM_CHECK(least <= most, "{}: 'min{}' is above 'max{}'", path.text(), of, of);
    MINILLM_CHECK(least <= kMostLeast, "{}: 'min{}': expected at most {}, got {}", path.text(), of,
                  kMostLeast, least);
  }

  Rule string(const SchemaObject& object, const SchemaPath& path) {
    const uint64_t least = object.count("minLength", 0),
                   most = object.count("maxLength", Grammar::kUnlimited);
    check_counts(least, most, "Length", path);
    const Json* const pattern = object.find("pattern");
    const Json* const format = object.find("format");
    if (pattern != nullptr && format != nullptr) unsupported(path, "format", "beside 'pattern'");
    const SchemaPath where = path / (pattern != nullptr ? "pattern" : "format");
    std::string given;
    if (pattern != nullptr || format != nullptr)
      given = expect_string(pattern != nullptr ? *pattern : *format, where);
    else if (least == 0 && most == Grammar::kUnlimited)
      return text();
    const auto [found, added] = strings_.try_emplace({pattern != nullptr, given, least, most}, 0);
    if (!added) return found->second;
    if (given.empty() && pattern == nullptr) {
      if (!character_) character_ = grammar_.automaton(json_character());
      found->second = quoted(
          grammar_.repeat(*character_, static_cast<uint32_t>(least), static_cast<uint32_t>(most)));
      return found->second;
    }
    ByteAutomaton content = pattern != nullptr ? matching(given, where) : formatted(given, where);
    if (least > 0 || most != Grammar::kUnlimited) content = limited(content, least, most, where);
    found->second = quoted(grammar_.automaton(content));
    return found->second;
  }
  Rule quoted(Rule content) {
    return grammar_.sequence({grammar_.literal("\""), content, grammar_.literal("\"")});
  }
  ByteAutomaton matching(const std::string& pattern, const SchemaPath& where) {
    return compile_regex(pattern, RegexMatch::kSearch, RegexText::kJsonString, where.text(),
                         regex_work_);
  }
  ByteAutomaton formatted(const std::string& format, const SchemaPath& where) {
    const char* const expression = expression_of_format(format);
    MINILLM_CHECK(expression != nullptr, "{}: '{}': not supported: expected {}", where.text(),
                  short_visible(format), known_formats());
    return compile_regex(expression, RegexMatch::kWhole, RegexText::kPlain, where.text(),
                         regex_work_);
  }

  ByteAutomaton limited(const ByteAutomaton& content, uint64_t least, uint64_t most,
                        const SchemaPath& where) {
    ByteAutomaton both =
        with_length(content, json_character(), least,
                    most == Grammar::kUnlimited ? UINT64_MAX : most, length_states_left_);
    MINILLM_CHECK(length_states_left_ > 0,
                  "{}: together with 'minLength' or 'maxLength' it takes more than {} states",
                  where.text(), kMaxLengthStates);
    MINILLM_CHECK(!both.states.empty(), "{}: matches no text of the length", where.text());
    return both;
  }

  Rule array(const SchemaObject& object, const SchemaPath& path) {
    for (const char* keyword : {"uniqueItems", "additionalItems"})
      if (const Json* given = object.find(keyword); given != nullptr && *given != false)
        unsupported(path, keyword, "other than false");
    const uint64_t least = object.count("minItems", 0),
                   most = object.count("maxItems", Grammar::kUnlimited);
    check_counts(least, most, "Items", path);
    const Json* const items = object.find("items");
    if (items != nullptr && items->is_array()) unsupported(path, "items", "as an array");
    const Rule item = items == nullptr ? anything() : value(*items, path / "items");
    return listed("[", item, static_cast<uint32_t>(least), static_cast<uint32_t>(most), "]");
  }

  // A key that is none of the declared ones.
  Rule other_key(const std::vector<std::string>& keys, const SchemaPath& path) {
    if (keys.empty()) return text();
    for (const std::string& key : keys) {
      MINILLM_CHECK(key.size() < other_key_bytes_left_,
                    "{}: 'additionalProperties' beside 'properties': expected at most {} bytes of "
                    "keys",
                    path.text(), kMaxOtherKeyBytes);
      other_key_bytes_left_ -= key.size() + 1;
    }
    return quoted(grammar_.automaton(json_key_other_than(keys)));
  }

  Rule object_rule(const SchemaObject& object, const SchemaPath& path) {
    const std::vector<SchemaObject::Member> members = object.members();
    const Json* const additional = object.find("additionalProperties");
    const Json* others = additional;
    static const Json kAnything = true;
    if (additional == nullptr && object.find("properties") == nullptr) others = &kAnything;
    std::vector<std::string> keys;
    for (const SchemaObject::Member& member : members) keys.push_back(member.key);
    const Rule close = grammar_.literal("}");
    // What may follow when members are there already, and when there are none yet: from the last
    // one to the first, so that they come in order and each at most once.
    Rule after_some = close, after_none = close;
    if (others != nullptr && *others != false) {
      const Rule member = grammar_.sequence(
          {other_key(keys, path), punctuated(":"), value(*others, path / "additionalProperties")});
      const Rule more =
          grammar_.repeat(grammar_.sequence({punctuated(","), member}), 0, Grammar::kUnlimited);
      after_some = grammar_.sequence({more, close});
      after_none = grammar_.choice({grammar_.sequence({member, more, close}), close});
    }
    for (size_t i = members.size(); i > 0; --i) {
      const auto& [key, schema, member_path, required] = members[i - 1];
      // A member that is not declared has the schema of the others.
      if (schema == nullptr)
        MINILLM_CHECK(additional == nullptr || *additional != false,
                      "{}: requires '{}', which 'additionalProperties' excludes", path.text(), key);
      const Json* const of_value = schema != nullptr ? schema : others;
      const Rule inner = of_value == nullptr ? anything() : value(*of_value, member_path);
      const std::string text = Json(key).dump() + ":";
      const Rule next = grammar_.sequence({punctuated("," + text), inner, after_some});
      const Rule first = grammar_.sequence({punctuated(text), inner, after_some});
      after_none = required ? first : grammar_.choice({first, after_none});
      after_some = required ? next : grammar_.choice({next, after_some});
    }
    return grammar_.sequence({grammar_.literal("{"), after_none});
  }

  const SchemaDocument& document_;
  JsonSpacing spacing_;
  Grammar& grammar_;
  std::map<std::string, Rule> referred_;
  std::vector<Pending> pending_;
  // What is asked for again and again, once.
  std::map<std::pair<int64_t, int64_t>, Rule> integers_;
  std::map<std::tuple<bool, std::string, uint64_t, uint64_t>, Rule> strings_;
  RegexWork regex_work_;
  size_t length_states_left_ = kMaxLengthStates, other_key_bytes_left_ = kMaxOtherKeyBytes;
  std::optional<Rule> anything_, text_, number_, character_;
};

}  // namespace

Grammar::Rule add_json_schema(Grammar& grammar, std::string_view schema, JsonSpacing spacing) {
  const SchemaDocument document(schema);
  return SchemaCompiler(document, spacing, grammar).compile();
}

Grammar json_schema_grammar(std::string_view schema) {
  Grammar grammar;
  const Rule start = add_json_schema(grammar, schema, JsonSpacing::kCompact);
  MINILLM_CHECK(grammar.finish(start, grammar.after_space(start)),
                "schema: no finite text can satisfy it");
  return grammar;
}

}  // namespace minillm
