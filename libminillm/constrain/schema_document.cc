#include "libminillm/constrain/schema_document.h"

#include <algorithm>

#include "libminillm/constrain/schema_object.h"
#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

// RFC 6901 in a URI's fragment: %41, ~1 for a slash, ~0 for a tilde.
std::string decoded_key(std::string_view key) {
  const auto digit = [](char c) {
    const auto at = std::string_view("0123456789abcdef").find(static_cast<char>(c | 32));
    return c >= '0' ? at : std::string_view::npos;
  };
  std::string bytes;
  for (size_t i = 0; i < key.size(); ++i) {
    const bool hex =
        key[i] == '%' && i + 2 < key.size() && digit(key[i + 1]) < 16 && digit(key[i + 2]) < 16;
    bytes += hex ? static_cast<char>(digit(key[i + 1]) * 16 + digit(key[i + 2])) : key[i];
    if (hex) i += 2;
  }
  std::string decoded;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool escape = bytes[i] == '~' && i + 1 < bytes.size();
    const char next = escape ? bytes[i + 1] : '\0';
    if (next == '0' || next == '1') {
      decoded += next == '0' ? '~' : '/';
      ++i;
    } else {
      decoded += bytes[i];
    }
  }
  return decoded;
}

}  // namespace

SchemaDocument::SchemaDocument(std::string_view schema) {
  MINILLM_CHECK(schema.size() <= kMaxBytes, "schema: too large: expected at most {} bytes, got {}",
                kMaxBytes, schema.size());
  root_ = parse_ordered_json(schema, "schema");
}

const Json& SchemaDocument::resolve(const std::string& reference, const SchemaPath& path) const {
  if (!reference.starts_with('#') || (reference.size() > 1 && reference[1] != '/'))
    throw Error(
        fmt::format("{}: $ref '{}': not supported: expected '#' or '#/...' within the schema",
                    path.text(), short_visible(reference)));
  const Json* at = &root_;
  for (size_t begin = 2; begin <= reference.size();) {
    const size_t end = std::min(reference.find('/', begin), reference.size());
    const std::string key = decoded_key(std::string_view(reference).substr(begin, end - begin));
    const Json* next = nullptr;
    if (at->is_object()) {
      const auto found = at->find(key);
      if (found != at->end()) next = &*found;
    } else if (at->is_array() && !key.empty() && key.size() < 7 &&
               key.find_first_not_of("0123456789") == std::string::npos) {
      const auto index = static_cast<size_t>(std::stoi(key));
      if (index < at->size()) next = &(*at)[index];
    }
    MINILLM_CHECK(next != nullptr, "{}: $ref '{}': there is no '{}'", path.text(),
                  short_visible(reference), short_visible(key));
    at = next;
    begin = end + 1;
  }
  return *at;
}

}  // namespace minillm
