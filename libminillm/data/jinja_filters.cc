#include "libminillm/data/jinja_filters.h"

#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/jinja.h"
#include "libminillm/data/jinja_expression.h"

namespace minillm {
namespace {

using Value = nlohmann::ordered_json;

constexpr size_t kMaxDepth = 64;

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

std::string jinja_strip(const std::string& text, bool begin, bool end) {
  constexpr const char* kSpace = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kSpace), last = text.find_last_not_of(kSpace);
  if (first == std::string::npos) return "";
  const size_t from = begin ? first : 0, to = end ? last + 1 : text.size();
  return text.substr(from, to - from);
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
  if (name == "string") return to_text(value);
  if (name == "items") return jinja_items(value);
  if (name == "list" && value.is_array()) return value;
  throw JinjaError("a filter that is not understood: " + name);
}

}  // namespace minillm
