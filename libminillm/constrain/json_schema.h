// JSON Schema (draft 2020-12, and earlier ones where they agree) as a grammar.
//
// The texts of the grammar are JSON that the schema accepts, written in one way: without white
// space (but see JsonSpacing), the members of an object in the order of `properties`, escapes of
// keys as our own JSON has them, numbers of at most 17 digits. Every such text is valid; not every
// valid value has one: an object with `properties` has no others unless `additionalProperties` is
// there and not false, and without `type` the keywords tell the type. What is not supported is
// refused by name, never skipped:
//   any type     type, enum, const, $ref within the document, $defs, anyOf; oneOf of types that
//                exclude each other; allOf of one schema; true and {}
//   object       properties, required, additionalProperties
//   array        items, minItems, maxItems; uniqueItems and additionalItems if false
//   string       minLength, maxLength, pattern, format (date, time, date-time, uuid, email, ipv4)
//   integer      minimum, maximum, exclusiveMinimum, exclusiveMaximum; multipleOf 1
// Descriptions ($schema, $id, $comment, title, description, default, examples, deprecated,
// readOnly, writeOnly) say nothing about texts. Keywords of other types than the value's are
// without effect, as the specification says. Members of an object that are not declared may have
// one key twice, which JSON does not forbid.

#ifndef LIBMINILLM_CONSTRAIN_JSON_SCHEMA_H_
#define LIBMINILLM_CONSTRAIN_JSON_SCHEMA_H_

#include <string_view>

#include "libminillm/constrain/grammar.h"

namespace minillm {

enum class JsonSpacing {
  kCompact,  // no white space
  kSpaced    // a space may follow each comma and colon, as chat templates write calls of tools
};

// Throws Error `schema: $.properties.a: ...` with the path of what is wrong or not supported, also
// if no finite text can satisfy it or it is too large.
Grammar json_schema_grammar(std::string_view schema);
// The same as a rule of a grammar that is not finished yet; that some text satisfies it shows then.
Grammar::Rule add_json_schema(Grammar& grammar, std::string_view schema, JsonSpacing spacing);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_JSON_SCHEMA_H_
