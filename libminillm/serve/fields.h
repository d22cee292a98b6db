// Fields: the members of a JSON object from outside, by name, type and range. Internal: public
// headers know no JSON library.

#ifndef LIBMINILLM_SERVE_FIELDS_H_
#define LIBMINILLM_SERVE_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// The object that is the body of a request. Throws ApiError 400 if it is none: not JSON, a key
// twice, nested deeper than 64, a number that no double holds, bad UTF-8, a lone surrogate.
nlohmann::json parse_body(std::string_view body);

// A member that is absent or null is nothing. One of another type, or out of range, is an ApiError
// 400: "<path>: expected ..., got ...", whose param is the path.
class Fields {
 public:
  // `path`: of the object, for errors; empty: the body itself. `object` must outlive this.
  Fields(const nlohmann::json& object, std::string path);

  const nlohmann::json* find(const std::string& name) const;
  std::optional<double> number(const std::string& name, double low, double high) const;
  std::optional<int64_t> integer(const std::string& name, int64_t low, int64_t high) const;
  std::optional<bool> boolean(const std::string& name) const;
  std::optional<std::string> string(const std::string& name) const;
  std::optional<Fields> object(const std::string& name) const;

  std::string path_of(const std::string& name) const;
  // Throws that error about the member.
  [[noreturn]] void fail(const std::string& name, const std::string& expected) const;
  // Throws unless the member is absent, null, or equal to `only`: what is not supported is refused
  // by its name.
  void refuse_unless(const std::string& name, const nlohmann::json& only) const;

 private:
  const nlohmann::json* object_;
  std::string path_;
};

// An ApiError 400 about a value: "<path>: expected <expected>, got <value>".
[[noreturn]] void fail_field(const std::string& path, const std::string& expected,
                             const nlohmann::json& value);

// The ids of an array. Throws ApiError 400 if one of them cannot be any tokenizer's.
std::vector<Token> parse_token_ids(const nlohmann::json& list, const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_FIELDS_H_
