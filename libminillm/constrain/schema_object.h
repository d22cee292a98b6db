// What a JSON schema says: its keywords with their types, and paths for errors. Internal.

#ifndef LIBMINILLM_CONSTRAIN_SCHEMA_OBJECT_H_
#define LIBMINILLM_CONSTRAIN_SCHEMA_OBJECT_H_

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minillm {

// Where in a schema: `$.properties.a`, as errors show it.
class SchemaPath {
 public:
  explicit SchemaPath(std::string text = "$") : text_(std::move(text)) {}
  SchemaPath operator/(std::string_view key) const;
  SchemaPath operator/(size_t index) const;
  static SchemaPath of_reference(std::string_view reference);  // of "#/$defs/a"
  bool is_root() const { return text_ == "$"; }
  std::string text() const { return "schema: " + text_; }

 private:
  std::string text_;
};

// Throws Error `schema: $.a: keyword 'x' <how>: not supported`.
[[noreturn]] void unsupported(const SchemaPath& path, std::string_view keyword,
                              std::string_view how = "");
// A text or a value as errors show it: short, and nothing that steers a terminal.
std::string short_visible(std::string_view text);
std::string shown(const nlohmann::ordered_json& value);
std::string expect_string(const nlohmann::ordered_json& value, const SchemaPath& path);

enum class JsonType { kNull, kBoolean, kInteger, kNumber, kString, kArray, kObject };

// A schema that is an object. Its keywords are known and supported; their values are checked when
// they are read, with Error.
class SchemaObject {
 public:
  using Json = nlohmann::ordered_json;

  // Refers to `schema`. Throws Error if it is no object, or at a keyword that is not supported.
  SchemaObject(const Json& schema, SchemaPath path);

  const Json* find(std::string_view keyword) const;  // or nullptr
  // The same; throws Error if there are keywords beside it that say something about texts.
  const Json* alone(std::string_view keyword) const;
  // As `type` says, or else the keywords that have one. Empty: any.
  std::vector<JsonType> types() const;
  bool has_type_of(const Json& value) const;
  // Beside enum or const.
  void expect_only_type_beside_values() const;
  // Throws Error where it has one of the keywords.
  void refuse(std::initializer_list<const char*> keywords, std::string_view how) const;

  uint32_t count(std::string_view keyword, uint32_t absent) const;
  // The least and the most, within +-kLargestInteger; the least above the most: there is none.
  std::pair<int64_t, int64_t> integer_bounds() const;

  struct Member {
    std::string key;
    const Json* schema = nullptr;  // null: it is required and nothing more is said about it
    SchemaPath path;
    bool required = false;
  };
  // As `properties` has them, then what else is required.
  std::vector<Member> members() const;

 private:
  const Json& schema_;
  SchemaPath path_;
};

// Whether no value satisfies two of the schemas, as far as their types say.
bool exclude_each_other(const nlohmann::ordered_json& schemas, const SchemaPath& path);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_SCHEMA_OBJECT_H_
