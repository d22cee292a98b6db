// Parses one JSON record strictly, in time proportional to its length.

#include <string>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/json_records.h"

namespace minillm {
namespace {

constexpr size_t kMaxDepth = 32;

// Builds the value from the parser's events. (The parser's own callback looks at every sibling each
// time an object ends: minutes for a row of 100,000 messages.)
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    Json& object = *open_.back();
    if (object.contains(key))
      throw BadRecord{"duplicate key", fmt::format("'{}' appears twice", key)};
    member_ = &object[key];
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 17: syntax error ..."
    std::string what = error.what();
    const size_t column = what.find("column ");
    what = what.substr(column != std::string::npos ? column : what.find("] ") + 2);
    if (what.size() > 160) what = what.substr(0, 160) + "...";
    throw BadRecord{"invalid JSON", replace_invalid_utf8(what)};
  }

 private:
  template <typename Value>
  Json* place(Value&& value) {
    if (open_.empty()) return &(root_ = std::forward<Value>(value));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(*member_ = std::forward<Value>(value));
    parent.push_back(std::forward<Value>(value));
    return &parent.back();
  }
  template <typename Value>
  bool add(Value&& value) {
    place(std::forward<Value>(value));
    return true;
  }
  bool open(Json&& container) {
    if (open_.size() == kMaxDepth)
      throw BadRecord{"nested too deeply", fmt::format("expected at most {} levels", kMaxDepth)};
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // containers; each is the last child of the one before, so none moves
  Json* member_ = nullptr;   // the value of the last key
};

Json parse_strictly(std::string_view text) {
  Builder builder;
  Json::sax_parse(text, &builder);
  return builder.take();
}

// The text with null where a number is NaN or infinite; the same text if none is.
std::string without_nan(std::string_view text) {
  std::string result;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      in_string = text[i] != '"';
      if (text[i] == '\\' && i + 1 < text.size()) result += text[i++];
    } else if (text[i] == '"') {
      in_string = true;
    } else {
      bool found = false;
      for (const std::string_view name : {"NaN", "-Infinity", "Infinity"}) {
        if (!text.substr(i).starts_with(name)) continue;
        result += "null";
        i += name.size() - 1;
        found = true;
        break;
      }
      if (found) continue;
    }
    result += text[i];
  }
  return result;
}

}  // namespace

Json parse_json_record(std::string_view text) {
  if (text.size() > kMaxRecordBytes)
    throw BadRecord{"record is too long",
                    fmt::format("expected at most {} bytes", kMaxRecordBytes)};
  // The parser would take a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos)
    throw BadRecord{"invalid JSON", "it contains a NUL byte"};
  try {
    return parse_strictly(text);
  } catch (const BadRecord&) {
    const std::string repaired = without_nan(text);
    if (repaired == text) throw;
    return parse_strictly(repaired);
  }
}

}  // namespace minillm
