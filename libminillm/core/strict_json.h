// JSON of others, read without trust. Internal: public headers know no JSON library.

#ifndef LIBMINILLM_CORE_STRICT_JSON_H_
#define LIBMINILLM_CORE_STRICT_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minillm {

// What is wrong with a JSON text.
struct JsonFault {
  enum Kind { kSyntax, kRange, kDepth, kDuplicateKey } kind;
  std::string detail;  // kDuplicateKey: the key; kSyntax: what the parser says
  size_t byte = 0;     // kSyntax: where
};
// Parses `text` in time proportional to its length. Members of the names `as_text` that are objects
// or lists, and not empty, become strings: their text as spelled_json has it, which keeps the order
// of members and the digits of numbers. Throws JsonFault.
nlohmann::json build_json(std::string_view text, size_t max_depth,
                          std::span<const std::string_view> as_text = {});

// Parses `text`. Throws Error `<subject>: ...` if it is not JSON, has a key twice in one object
// (parsers disagree on which one counts), or nests deeper than `max_depth` objects and arrays.
nlohmann::json parse_json(std::string_view text, const std::string& subject, int max_depth = 64);
// The same with the members of objects in the order of the text. Looking one of them up takes time
// in proportion to their number: go through them instead.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& subject,
                                          int max_depth = 64);

inline constexpr uint64_t kMaxJsonFileBytes = 16 << 20;
// The JSON file `path`. Throws Error `file '<path>': ...`, also if it is longer than `max_bytes`.
nlohmann::json read_json_file(const std::string& path, uint64_t max_bytes = kMaxJsonFileBytes);

// Python writes bare NaN and Infinity, which are not JSON. The text with null in their place.
std::string null_for_nonfinite(std::string_view text);

// An object whose members are read by key and type.
// Errors are `<subject>: '<key>': expected ..., got ...`.
class JsonObject {
 public:
  // Throws Error if `value` is not an object. Refers to `value`, which must outlive it.
  JsonObject(const nlohmann::json& value, std::string subject);

  const nlohmann::json& object() const { return object_; }
  const std::string& subject() const { return subject_; }
  // The member, or nullptr if it is absent or null.
  const nlohmann::json* find(const char* key) const;
  // The member. Throws Error if it is absent, null, or of another type.
  int64_t integer(const char* key) const;
  uint64_t unsigned_integer(const char* key) const;
  int64_t integer_in(const char* key, int64_t low, int64_t high) const;  // both included
  double number(const char* key) const;
  bool boolean(const char* key) const;
  std::string string(const char* key) const;
  JsonObject member(const char* key) const;
  const nlohmann::json& array(const char* key) const;
  std::vector<double> numbers(const char* key) const;  // an array of finite numbers
  std::vector<std::string> strings(const char* key) const;
  // The same, or `absent` if it is absent or null.
  int64_t integer_or(const char* key, int64_t absent) const;
  double number_or(const char* key, double absent) const;
  bool boolean_or(const char* key, bool absent) const;
  std::string string_or(const char* key, const std::string& absent) const;

 private:
  const nlohmann::json& required(const char* key) const;
  [[noreturn]] void fail(const char* key, const char* expected) const;

  const nlohmann::json& object_;
  std::string subject_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_STRICT_JSON_H_
