// A JSON schema as a document: what its references name. Internal.

#ifndef LIBMINILLM_CONSTRAIN_SCHEMA_DOCUMENT_H_
#define LIBMINILLM_CONSTRAIN_SCHEMA_DOCUMENT_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "libminillm/constrain/schema_object.h"

namespace minillm {

class SchemaDocument {
 public:
  using Json = nlohmann::ordered_json;
  // Throws Error if it is not JSON, or more than kMaxBytes.
  explicit SchemaDocument(std::string_view schema);

  // What a reference within the document names. Throws Error.
  const Json& resolve(const std::string& reference, const SchemaPath& path) const;

  static constexpr size_t kMaxBytes = 256 << 10;

 private:
  Json root_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_SCHEMA_DOCUMENT_H_
