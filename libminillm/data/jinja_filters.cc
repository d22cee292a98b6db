#include "libminillm/data/jinja_filters.h"

#include <fmt/format.h>

#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/jinja.h"
#include "libminillm/data/jinja_expression.h"
#include "libminillm/data/python_literal.h"

namespace minillm {
namespace {

using Value = nlohmann::ordered_json;

constexpr size_t kMaxDepth = 64, kMaxParts = 10000;

void expect_arguments(const std::string& filter, const JinjaArguments& arguments, size_t values) {
  if (arguments.values.size() != values || !arguments.named.empty())
    throw JinjaError("arguments of a filter that are not understood: " + filter);
}

std::string to_json(const Value& value, const JinjaArguments& arguments) {
  const auto indent = arguments.named.find("indent");
  if (!arguments.values.empty() ||
      arguments.named.size() > (indent == arguments.named.end() ? 0 : 1))
    throw JinjaError("arguments of a filter that are not understood: tojson");
  if (indent == arguments.named.end()) {
    try {
      return spelled_json(value.dump(), kMaxDepth);
    } catch (const JsonFault&) {
      throw JinjaError("nested too deeply");
    }
  }
  if (indent->second != 2 && indent->second != 4) throw JinjaError("an indent that is not 2 or 4");
  return value.dump(indent->second.get<int>());
}

// Those of a list whose member is equal to something, or passes a test; or fails it.
Value select(const Value& list, const JinjaArguments& arguments, bool passes) {
  const auto& given = arguments.values;
  if (!list.is_array() || given.size() < 2 || given.size() > 3 || !given[0].is_string() ||
      !given[1].is_string() || !arguments.named.empty())
    throw JinjaError("a choice of members that is not understood");
  const std::string member = given[0], test = given[1];
  Value chosen = Value::array();
  for (const Value& element : list) {
    const Value value = element.is_object() && element.contains(member) ? element[member] : Value();
    const bool equal = test == "equalto" || test == "eq" || test == "==";
    if ((equal ? given.size() == 3 && value == given[2] : jinja_test(test, value)) == passes)
      chosen.push_back(element);
  }
  return chosen;
}

}  // namespace

std::string jinja_strip(const std::string& text, bool begin, bool end, const char* characters) {
  const size_t first = text.find_first_not_of(characters), last = text.find_last_not_of(characters);
  if (first == std::string::npos) return "";
  const size_t from = begin ? first : 0, to = end ? last + 1 : text.size();
  return text.substr(from, to - from);
}

namespace {

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  if (separator.empty()) throw JinjaError("a separator of nothing");
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size()) {
    if (parts.size() == kMaxParts) throw JinjaError("too many parts");
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

}  // namespace

Value call_jinja_method(const std::string& name, const Value& value,
                        const JinjaArguments& arguments) {
  if (name == "items") {
    expect_arguments(name, arguments, 0);
    return jinja_items(value);
  }
  const std::string text = to_text(value);
  std::vector<std::string> given;
  for (const Value& argument : arguments.values) given.push_back(to_text(argument));
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    if (!given.empty()) expect_arguments(name, arguments, 1);
    return jinja_strip(text, name != "rstrip", name != "lstrip",
                       given.empty() ? kJinjaSpace : given[0].c_str());
  }
  if (name == "replace") {
    expect_arguments(name, arguments, 2);
    if (given[1].size() > given[0].size()) throw JinjaError("a replacement that grows");
    return fmt::format("{}", fmt::join(split(text, given[0]), given[1]));
  }
  if (name != "startswith" && name != "endswith" && name != "split")
    throw JinjaError("a method that is not understood: " + name);
  expect_arguments(name, arguments, 1);
  if (name == "split") return split(text, given[0]);
  return name == "startswith" ? text.starts_with(given[0]) : text.ends_with(given[0]);
}

Value jinja_items(const Value& value) {
  if (!value.is_object()) throw JinjaError("items of what is no object");
  Value items = Value::array();
  for (const auto& [key, member] : value.items()) items.push_back(Value::array({key, member}));
  return items;
}

bool jinja_test(const std::string& name, const Value& value) {
  if (name == "defined") return !value.is_null();
  if (name == "undefined" || name == "none") return value.is_null();
  if (name == "string") return value.is_string();
  if (name == "true" || name == "false") return value == (name == "true");
  if (name == "mapping") return value.is_object();
  if (name == "iterable") return value.is_string() || value.is_structured();
  throw JinjaError("a test that is not understood: " + name);
}

Value apply_jinja_filter(const std::string& name, const Value& value,
                         const JinjaArguments& arguments) {
  if (name == "tojson") return to_json(value, arguments);
  if (name == "selectattr" || name == "rejectattr")
    return select(value, arguments, name == "selectattr");
  expect_arguments(name, arguments, 0);
  if (name == "trim") return jinja_strip(to_text(value), true, true);
  if (name == "length") return value.is_string() ? value.get<std::string>().size() : value.size();
  // As Python's str() has it.
  if (name == "string")
    return value.is_structured() ? python_of_json(to_json(value, {})) : to_text(value);
  if (name == "items") return jinja_items(value);
  if (name == "list" && value.is_array()) return value;
  throw JinjaError("a filter that is not understood: " + name);
}

}  // namespace minillm
