// The options --schema and --regex: what a generated text obeys.

#ifndef TOOLS_CONSTRAINT_OPTION_H_
#define TOOLS_CONSTRAINT_OPTION_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "libminillm/constrain/constraint.h"
#include "libminillm/core/file.h"

namespace minillm {

struct ConstraintOption {
  std::string schema, regex;  // empty: none

  // Null: anything may come.
  std::shared_ptr<const CompiledConstraint> compile(const Tokenizer& tokenizer) const {
    if (schema.empty() && regex.empty()) return nullptr;
    const auto trie = std::make_shared<const TokenTrie>(tokenizer);
    if (!regex.empty()) return CompiledConstraint::of_regex(regex, trie);
    const size_t first = schema.find_first_not_of(" \t\r\n");
    const bool is_json = first != std::string::npos && schema[first] == '{';
    return CompiledConstraint::of_json_schema(is_json ? schema : read_file(schema), trie);
  }
};

inline void add_constraint_options(CLI::App& app, ConstraintOption& option) {
  auto* schema = app.add_option("--schema", option.schema,
                                "the text is JSON of this schema: a file, or the JSON itself");
  app.add_option("--regex", option.regex, "the whole text matches this regular expression")
      ->excludes(schema);
}

}  // namespace minillm

#endif  // TOOLS_CONSTRAINT_OPTION_H_
