#include "libminillm/constrain/schema_object.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "libminillm/constrain/grammar.h"
#include "libminillm/constrain/json_text.h"
#include "libminillm/core/check.h"
#include "libminillm/core/visible.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

// What a keyword speaks of.
enum class Topic { kDescription, kAnyType, kNumber, kString, kArray, kObject };
struct Keyword {
  const char* name;
  Topic topic;
};
constexpr Keyword kKeywords[] = {{"$schema", Topic::kDescription},
                                 {"$comment", Topic::kDescription},
                                 {"title", Topic::kDescription},
                                 {"description", Topic::kDescription},
                                 {"default", Topic::kDescription},
                                 {"examples", Topic::kDescription},
                                 {"deprecated", Topic::kDescription},
                                 {"readOnly", Topic::kDescription},
                                 {"writeOnly", Topic::kDescription},
                                 {"$defs", Topic::kDescription},
                                 {"definitions", Topic::kDescription},
                                 {"type", Topic::kAnyType},
                                 {"enum", Topic::kAnyType},
                                 {"const", Topic::kAnyType},
                                 {"$ref", Topic::kAnyType},
                                 {"anyOf", Topic::kAnyType},
                                 {"oneOf", Topic::kAnyType},
                                 {"allOf", Topic::kAnyType},
                                 {"minimum", Topic::kNumber},
                                 {"maximum", Topic::kNumber},
                                 {"exclusiveMinimum", Topic::kNumber},
                                 {"exclusiveMaximum", Topic::kNumber},
                                 {"multipleOf", Topic::kNumber},
                                 {"minLength", Topic::kString},
                                 {"maxLength", Topic::kString},
                                 {"pattern", Topic::kString},
                                 {"format", Topic::kString},
                                 {"items", Topic::kArray},
                                 {"minItems", Topic::kArray},
                                 {"maxItems", Topic::kArray},
                                 {"uniqueItems", Topic::kArray},
                                 {"additionalItems", Topic::kArray},
                                 {"properties", Topic::kObject},
                                 {"required", Topic::kObject},
                                 {"additionalProperties", Topic::kObject}};

const Keyword* find_keyword(std::string_view name) {
  const auto found = std::ranges::find(kKeywords, name, &Keyword::name);
  return found == std::end(kKeywords) ? nullptr : found;
}

struct TypeName {
  const char* name;
  JsonType type;
};
constexpr TypeName kTypes[] = {{"null", JsonType::kNull},       {"boolean", JsonType::kBoolean},
                               {"integer", JsonType::kInteger}, {"number", JsonType::kNumber},
                               {"string", JsonType::kString},   {"array", JsonType::kArray},
                               {"object", JsonType::kObject}};

bool is_whole(const Json& value) {
  return value.is_number_integer() ||
         (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
}

bool is_of_type(const Json& value, JsonType type) {
  switch (type) {
    case JsonType::kNull:
      return value.is_null();
    case JsonType::kBoolean:
      return value.is_boolean();
    case JsonType::kInteger:
      return is_whole(value);
    case JsonType::kNumber:
      return value.is_number();
    case JsonType::kString:
      return value.is_string();
    case JsonType::kArray:
      return value.is_array();
    case JsonType::kObject:
      return value.is_object();
  }
  return false;
}

}  // namespace

std::string short_visible(std::string_view text) {
  return visible(text.size() > 60 ? std::string(text.substr(0, 57)) + "..." : std::string(text),
                 LineEnds::kShown);
}

SchemaPath SchemaPath::operator/(std::string_view key) const {
  return SchemaPath(text_ + "." + short_visible(key));
}
SchemaPath SchemaPath::operator/(size_t index) const {
  return SchemaPath(fmt::format("{}[{}]", text_, index));
}
SchemaPath SchemaPath::of_reference(std::string_view reference) {
  std::string text = "$" + short_visible(reference.substr(1));
  std::ranges::replace(text, '/', '.');
  return SchemaPath(text);
}

void unsupported(const SchemaPath& path, std::string_view keyword, std::string_view how) {
  throw Error(fmt::format("{}: keyword '{}'{}{}: not supported", path.text(),
                          short_visible(keyword), how.empty() ? "" : " ", how));
}

std::string shown(const Json& value) {
  return short_visible(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

std::string expect_string(const Json& value, const SchemaPath& path) {
  MINILLM_CHECK(value.is_string(), "{}: expected a string, got {}", path.text(), shown(value));
  return value.get<std::string>();
}

SchemaObject::SchemaObject(const Json& schema, SchemaPath path)
    : schema_(schema), path_(std::move(path)) {
  MINILLM_CHECK(schema.is_object(),
                "{}: expected a schema, which is an object, true or false, got {}", path_.text(),
                shown(schema));
  for (const auto& [keyword, value] : schema.items()) {
    const bool names_document = path_.is_root() && (keyword == "$id" || keyword == "id");
    if (find_keyword(keyword) == nullptr && !names_document) unsupported(path_, keyword);
  }
}

const Json* SchemaObject::find(std::string_view keyword) const {
  const auto found = schema_.find(std::string(keyword));
  return found == schema_.end() ? nullptr : &*found;
}

const Json* SchemaObject::alone(std::string_view keyword) const {
  const Json* const value = find(keyword);
  if (value == nullptr) return nullptr;
  for (const auto& [other, ignored] : schema_.items()) {
    const Keyword* const known = find_keyword(other);
    if (other != keyword && known != nullptr && known->topic != Topic::kDescription)
      unsupported(path_, other, fmt::format("beside '{}'", keyword));
  }
  return value;
}

void SchemaObject::expect_only_type_beside_values() const {
  bool values = false;
  for (const auto& [keyword, ignored] : schema_.items()) {
    const Keyword* const known = find_keyword(keyword);
    if (known == nullptr || known->topic == Topic::kDescription || keyword == "type") continue;
    if (std::exchange(values, true)) unsupported(path_, keyword, "beside 'enum' or 'const'");
  }
}

std::vector<JsonType> SchemaObject::types() const {
  std::vector<JsonType> types;
  if (const Json* given = find("type")) {
    const SchemaPath path = path_ / "type";
    const Json list = given->is_array() ? *given : Json::array({*given});
    for (const Json& one : list) {
      const std::string name = expect_string(one, path);
      const auto type = std::ranges::find(kTypes, name, &TypeName::name);
      MINILLM_CHECK(type != std::end(kTypes), "{}: expected the name of a type, got {}",
                    path.text(), shown(one));
      if (std::ranges::find(types, type->type) == types.end()) types.push_back(type->type);
    }
    MINILLM_CHECK(!types.empty(), "{}: expected a type, got none", path.text());
    if (std::ranges::find(types, JsonType::kNumber) != types.end())
      std::erase(types, JsonType::kInteger);  // which are numbers
    return types;
  }
  std::set<Topic> topics;
  for (const auto& [keyword, ignored] : schema_.items())
    if (const Keyword* known = find_keyword(keyword); known && known->topic > Topic::kAnyType)
      topics.insert(known->topic);
  if (topics.empty()) return {};
  MINILLM_CHECK(topics.size() == 1, "{}: expected 'type' beside keywords of several types",
                path_.text());
  switch (*topics.begin()) {
    case Topic::kNumber:
      return {JsonType::kNumber};
    case Topic::kString:
      return {JsonType::kString};
    case Topic::kArray:
      return {JsonType::kArray};
    default:
      return {JsonType::kObject};
  }
}

bool SchemaObject::has_type_of(const Json& value) const {
  if (find("type") == nullptr) return true;
  return std::ranges::any_of(types(), [&](JsonType type) { return is_of_type(value, type); });
}

void SchemaObject::refuse(std::initializer_list<const char*> keywords, std::string_view how) const {
  for (const char* keyword : keywords)
    if (find(keyword) != nullptr) unsupported(path_, keyword, how);
}

uint32_t SchemaObject::count(std::string_view keyword, uint32_t absent) const {
  const Json* const value = find(keyword);
  if (value == nullptr) return absent;
  MINILLM_CHECK(is_whole(*value) && value->get<double>() >= 0,
                "{}: expected an integer of 0 or more, got {}", (path_ / keyword).text(),
                shown(*value));
  const double most = Grammar::kUnlimited;
  return static_cast<uint32_t>(std::min(value->get<double>(), most));
}

std::pair<int64_t, int64_t> SchemaObject::integer_bounds() const {
  int64_t least = -kLargestInteger, most = kLargestInteger;
  constexpr double kFar = static_cast<double>(kLargestInteger);
  const auto bound = [&](const char* keyword, bool lower, bool exclusive) {
    const Json* const value = find(keyword);
    if (value == nullptr) return;
    MINILLM_CHECK(value->is_number(), "{}: expected a number, got {}", (path_ / keyword).text(),
                  shown(*value));
    const double real = value->get<double>();
    const double whole = lower ? std::ceil(real) : std::floor(real);
    // Beyond 17 digits nothing is left, or nothing is taken away.
    int64_t limit = std::abs(whole) > kFar
                        ? (whole > 0 ? kLargestInteger + 1 : -kLargestInteger - 1)
                    : value->is_number_integer() ? value->get<int64_t>()
                                                 : static_cast<int64_t>(whole);
    if (exclusive && whole == real) limit += lower ? 1 : -1;
    if (lower)
      least = std::max(least, limit);
    else
      most = std::min(most, limit);
  };
  bound("minimum", true, false);
  bound("exclusiveMinimum", true, true);
  bound("maximum", false, false);
  bound("exclusiveMaximum", false, true);
  return {least, most};
}

std::vector<SchemaObject::Member> SchemaObject::members() const {
  std::vector<Member> members;
  std::set<std::string> required, declared;
  const Json* const names = find("required");
  if (names != nullptr) {
    const SchemaPath path = path_ / "required";
    MINILLM_CHECK(names->is_array(), "{}: expected an array of names, got {}", path.text(),
                  shown(*names));
    for (const Json& name : *names) required.insert(expect_string(name, path));
  }
  if (const Json* properties = find("properties")) {
    const SchemaPath path = path_ / "properties";
    MINILLM_CHECK(properties->is_object(), "{}: expected an object, got {}", path.text(),
                  shown(*properties));
    for (const auto& [key, schema] : properties->items()) {
      members.push_back({key, &schema, path / key, required.contains(key)});
      declared.insert(key);
    }
  }
  if (names != nullptr)
    for (const Json& name : *names)
      if (const auto key = name.get<std::string>(); declared.insert(key).second)
        members.push_back({key, nullptr, path_, true});
  return members;
}

bool exclude_each_other(const Json& schemas, const SchemaPath& path) {
  std::set<JsonType> seen;
  for (size_t i = 0; i < schemas.size(); ++i) {
    if (!schemas[i].is_object()) return false;
    const SchemaObject object(schemas[i], path / i);
    std::set<JsonType> own;
    const Json* values = object.find("enum");
    const Json* const constant = object.find("const");
    if (object.find("type") != nullptr) {
      for (const JsonType type : object.types()) own.insert(type);
    } else if (constant != nullptr || (values != nullptr && values->is_array())) {
      const Json list = constant != nullptr ? Json::array({*constant}) : *values;
      for (const Json& value : list)
        for (const TypeName& type : kTypes)
          if (is_of_type(value, type.type)) own.insert(type.type);
    } else {
      return false;
    }
    if (own.erase(JsonType::kInteger) > 0) own.insert(JsonType::kNumber);
    for (const JsonType type : own)
      if (!seen.insert(type).second) return false;
  }
  return true;
}

}  // namespace minillm
