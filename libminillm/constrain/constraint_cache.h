// ConstraintCache: the constraints that were compiled last, by their text.

#ifndef LIBMINILLM_CONSTRAIN_CONSTRAINT_CACHE_H_
#define LIBMINILLM_CONSTRAIN_CONSTRAINT_CACHE_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "libminillm/constrain/constraint.h"

namespace minillm {

// For one tokenizer. Safe to use from several threads.
class ConstraintCache {
 public:
  // Throws Error as TokenTrie does.
  explicit ConstraintCache(const Tokenizer& tokenizer, size_t capacity = 16);

  // As CompiledConstraint::of_json_schema, of_regex and of_tool_answer; the same one for the same,
  // unless it is the least recently used of more than `capacity`.
  std::shared_ptr<const CompiledConstraint> json_schema(const std::string& schema);
  std::shared_ptr<const CompiledConstraint> regex(const std::string& expression);
  std::shared_ptr<const CompiledConstraint> tool_answer(const ToolAnswer& answer);

 private:
  using Compile =
      std::function<std::shared_ptr<const CompiledConstraint>(std::shared_ptr<const TokenTrie>)>;
  std::shared_ptr<const CompiledConstraint> get(std::string key, const Compile& compile);

  std::shared_ptr<const TokenTrie> trie_;
  size_t capacity_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const CompiledConstraint>>>
      kept_;  // newest first
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_CONSTRAINT_CACHE_H_
