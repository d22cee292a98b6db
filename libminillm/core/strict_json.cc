#include "libminillm/core/strict_json.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/core/json_spelling.h"

namespace minillm {
namespace {

using nlohmann::json;

using nlohmann::ordered_json;

// Builds the value, a json or an ordered_json, from the parser's events. (The parser's own callback
// looks at every sibling each time an object ends: minutes for a row of 100,000 messages.)
template <typename Value>
class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(size_t max_depth, std::span<const std::string_view> as_text)
      : max_depth_(max_depth), as_text_(as_text) {}
  Value take() { return std::move(root_); }

  bool null() override { return speller_ ? speller_->null() : add(nullptr); }
  bool boolean(bool value) override { return speller_ ? speller_->boolean(value) : add(value); }
  bool number_integer(number_integer_t value) override {
    return speller_ ? speller_->number_integer(value) : add(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return speller_ ? speller_->number_unsigned(value) : add(value);
  }
  bool number_float(number_float_t value, const string_t& digits) override {
    return speller_ ? speller_->number_float(value, digits) : add(value);
  }
  bool string(string_t& value) override {
    return speller_ ? speller_->string(value) : add(std::move(value));
  }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t size) override {
    if (begins_text()) return speller_->start_object(size);
    open(Value::object());
    if constexpr (kOrdered) keys_.emplace_back();
    return true;
  }
  bool start_array(std::size_t size) override {
    return begins_text() ? speller_->start_array(size) : open(Value::array());
  }
  bool end_object() override {
    if (speller_) return end_text(speller_->end_object());
    if constexpr (kOrdered) keys_.pop_back();
    return close();
  }
  bool end_array() override { return speller_ ? end_text(speller_->end_array()) : close(); }
  bool key(string_t& key) override {
    if (speller_) return speller_->key(key);
    member_is_text_ = std::find(as_text_.begin(), as_text_.end(), key) != as_text_.end();
    Value& object = *open_.back();
    if constexpr (kOrdered) {
      // An ordered object is a list that looks for a key from its front on.
      if (!keys_.back().insert(key).second) throw JsonFault{JsonFault::kDuplicateKey, key};
      typename ordered_json::object_t::Container& members =
          object.template get_ref<typename ordered_json::object_t&>();
      member_ = &members.emplace_back(std::move(key), Value()).second;
    } else {
      if (object.contains(key)) throw JsonFault{JsonFault::kDuplicateKey, key};
      member_ = &object[key];
    }
    return true;
  }
  bool parse_error(size_t byte, const std::string&, const json::exception& error) override {
    constexpr int kOutOfRange = 406;  // a number that no double can hold
    throw JsonFault{error.id == kOutOfRange ? JsonFault::kRange : JsonFault::kSyntax, error.what(),
                    byte};
  }

 private:
  static constexpr bool kOrdered = std::is_same_v<Value, ordered_json>;

  template <typename Given>
  Value* place(Given&& value) {
    if (open_.empty()) return &(root_ = std::forward<Given>(value));
    Value& parent = *open_.back();
    if (parent.is_object()) return &(*member_ = std::forward<Given>(value));
    parent.push_back(std::forward<Given>(value));
    return &parent.back();
  }
  template <typename Given>
  bool add(Given&& value) {
    place(std::forward<Given>(value));
    return true;
  }
  bool open(Value&& container) {
    if (open_.size() == max_depth_) throw JsonFault{JsonFault::kDepth, ""};
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  // Whether the container that begins is one of those that are kept as text, or within one.
  bool begins_text() {
    if (!speller_ && member_is_text_ && !open_.empty() && open_.back()->is_object())
      speller_.emplace(max_depth_ - open_.size());
    return speller_.has_value();
  }
  bool end_text(bool goes_on) {
    if (!speller_->complete()) return goes_on;
    std::string text = speller_->take();
    speller_.reset();
    if (text == "[]" || text == "{}") return add(text == "[]" ? Value::array() : Value::object());
    return add(std::move(text));
  }

  size_t max_depth_;
  std::span<const std::string_view> as_text_;
  bool member_is_text_ = false;         // the value of the last key, if it is a container
  std::optional<JsonSpeller> speller_;  // of the container that is being kept as text
  Value root_;
  std::vector<Value*> open_;  // containers; each is the last child of the one before, so none moves
  Value* member_ = nullptr;   // the value of the last key
  std::vector<std::unordered_set<std::string>> keys_;  // of the open ordered objects
};

template <typename Value>
Value build(std::string_view text, size_t max_depth,
            std::span<const std::string_view> as_text = {}) {
  const size_t nul = text.find('\0');  // which the parser would take for the end
  if (nul != std::string_view::npos) throw JsonFault{JsonFault::kSyntax, "a NUL byte", nul + 1};
  Builder<Value> builder(max_depth, as_text);
  json::sax_parse(text, &builder);
  return builder.take();
}

// A value as errors show it: short, whatever it is.
std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

template <typename Value>
Value parse(std::string_view text, const std::string& subject, int max_depth) {
  try {
    return build<Value>(text, static_cast<size_t>(max_depth));
  } catch (const JsonFault& fault) {
    switch (fault.kind) {
      case JsonFault::kDepth:
        throw Error(fmt::format("{}: JSON is nested deeper than {} levels", subject, max_depth));
      case JsonFault::kDuplicateKey:
        throw Error(fmt::format("{}: key {} occurs twice", subject, shown(fault.detail)));
      case JsonFault::kRange:
        throw Error(fmt::format("{}: not valid JSON: a number is out of range", subject));
      case JsonFault::kSyntax:
        break;
    }
    throw Error(
        fmt::format("{}: not valid JSON: unexpected content at byte {}", subject, fault.byte));
  }
}

}  // namespace

json build_json(std::string_view text, size_t max_depth,
                std::span<const std::string_view> as_text) {
  return build<json>(text, max_depth, as_text);
}

json parse_json(std::string_view text, const std::string& subject, int max_depth) {
  return parse<json>(text, subject, max_depth);
}

ordered_json parse_ordered_json(std::string_view text, const std::string& subject, int max_depth) {
  return parse<ordered_json>(text, subject, max_depth);
}

json read_json_file(const std::string& path, uint64_t max_bytes) {
  const std::string subject = fmt::format("file '{}'", path);
  const std::string text = read_file(path, max_bytes);
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

int64_t JsonObject::integer_in(const char* key, int64_t low, int64_t high) const {
  const int64_t value = integer(key);
  MINILLM_CHECK(low <= value && value <= high, "{}: '{}': expected {} to {}, got {}", subject_, key,
                low, high, value);
  return value;
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

std::vector<std::string> JsonObject::strings(const char* key) const {
  std::vector<std::string> strings;
  for (const json& value : array(key)) {
    if (!value.is_string()) fail(key, "an array of strings");
    strings.push_back(value.get<std::string>());
  }
  return strings;
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
