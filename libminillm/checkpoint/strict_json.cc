#include "libminillm/checkpoint/strict_json.h"

#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/file_kind.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = 16 << 20;

// A value as errors show it: short, whatever it is.
std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace

json parse_json(std::string_view text, const std::string& subject, int max_depth) {
  std::vector<std::set<std::string>> keys;  // of every object that is open
  const auto inspect = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      MINILLM_CHECK(depth < max_depth, "{}: JSON is nested deeper than {} levels", subject,
                    max_depth);
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      MINILLM_CHECK(keys.back().insert(parsed.get<std::string>()).second, "{}: key {} occurs twice",
                    subject, shown(parsed));
    }
    return true;
  };
  try {
    return json::parse(text, inspect);
  } catch (const json::parse_error& e) {
    throw Error(fmt::format("{}: not valid JSON: unexpected content at byte {}", subject, e.byte));
  } catch (const json::exception&) {  // a number that no double can hold
    throw Error(fmt::format("{}: not valid JSON: a number is out of range", subject));
  }
}

json read_json_file(const std::string& path) {
  const std::string subject = fmt::format("file '{}'", path);
  const uint64_t size = file_size(path);
  MINILLM_CHECK(size <= kMaxFileBytes, "{}: too long: expected at most {} bytes of JSON, got {}",
                subject, kMaxFileBytes, size);
  const std::string text = read_file(path);
  expect_not_foreign(path, std::string_view(text).substr(0, kFileKindBytes), "JSON");
  return parse_json(null_for_nonfinite(text), subject);
}

std::string null_for_nonfinite(std::string_view text) {
  std::string result;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      result += c;
      result += text[++i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    bool replaced = false;
    for (std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
      if (in_string || !text.substr(i).starts_with(word)) continue;
      result += "null";
      i += word.size() - 1;
      replaced = true;
      break;
    }
    if (!replaced) result += c;
  }
  return result;
}

JsonObject::JsonObject(const json& value, std::string subject)
    : object_(value), subject_(std::move(subject)) {
  MINILLM_CHECK(value.is_object(), "{}: expected a JSON object, got {}", subject_, shown(value));
}

const json* JsonObject::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const json& JsonObject::required(const char* key) const {
  const json* value = find(key);
  MINILLM_CHECK(value != nullptr, "{}: key '{}' is missing", subject_, key);
  return *value;
}

void JsonObject::fail(const char* key, const char* expected) const {
  throw Error(fmt::format("{}: '{}': expected {}, got {}", subject_, key, expected,
                          shown(object_.at(key))));
}

int64_t JsonObject::integer(const char* key) const {
  const json& value = required(key);
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits) fail(key, "an integer");
  return value.get<int64_t>();
}

uint64_t JsonObject::unsigned_integer(const char* key) const {
  const json& value = required(key);
  if (!value.is_number_unsigned()) fail(key, "an integer that is not negative");
  return value.get<uint64_t>();
}

double JsonObject::number(const char* key) const {
  const json& value = required(key);
  if (!value.is_number()) fail(key, "a number");
  return value.get<double>();
}

bool JsonObject::boolean(const char* key) const {
  const json& value = required(key);
  if (!value.is_boolean()) fail(key, "true or false");
  return value.get<bool>();
}

std::string JsonObject::string(const char* key) const {
  const json& value = required(key);
  if (!value.is_string()) fail(key, "a string");
  return value.get<std::string>();
}

JsonObject JsonObject::member(const char* key) const {
  return {required(key), fmt::format("{}: '{}'", subject_, key)};
}

const json& JsonObject::array(const char* key) const {
  const json& value = required(key);
  if (!value.is_array()) fail(key, "an array");
  return value;
}

std::vector<double> JsonObject::numbers(const char* key) const {
  std::vector<double> numbers;
  for (const json& value : array(key)) {
    if (!value.is_number()) fail(key, "an array of numbers");
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

int64_t JsonObject::integer_or(const char* key, int64_t absent) const {
  return find(key) == nullptr ? absent : integer(key);
}
double JsonObject::number_or(const char* key, double absent) const {
  return find(key) == nullptr ? absent : number(key);
}
bool JsonObject::boolean_or(const char* key, bool absent) const {
  return find(key) == nullptr ? absent : boolean(key);
}
std::string JsonObject::string_or(const char* key, const std::string& absent) const {
  return find(key) == nullptr ? absent : string(key);
}

}  // namespace minillm
