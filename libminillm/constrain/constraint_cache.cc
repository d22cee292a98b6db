#include "libminillm/constrain/constraint_cache.h"

#include <algorithm>

namespace minillm {

ConstraintCache::ConstraintCache(const Tokenizer& tokenizer, size_t capacity)
    : trie_(std::make_shared<const TokenTrie>(tokenizer)), capacity_(capacity) {}

std::shared_ptr<const CompiledConstraint> ConstraintCache::json_schema(const std::string& schema) {
  return get("schema " + schema, schema, CompiledConstraint::of_json_schema);
}
std::shared_ptr<const CompiledConstraint> ConstraintCache::regex(const std::string& expression) {
  return get("regex " + expression, expression, CompiledConstraint::of_regex);
}

// Compiles without the lock: what two threads ask for at once may be compiled twice.
std::shared_ptr<const CompiledConstraint> ConstraintCache::get(std::string key,
                                                               const std::string& text,
                                                               Compile compile) {
  const auto find = [&] { return std::ranges::find(kept_, key, [](auto& k) { return k.first; }); };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = find(); found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->second;
    }
  }
  std::shared_ptr<const CompiledConstraint> compiled = compile(text, trie_);
  const std::lock_guard lock(mutex_);
  if (const auto found = find(); found != kept_.end()) return found->second;
  kept_.emplace_front(std::move(key), compiled);
  if (kept_.size() > capacity_) kept_.pop_back();
  return compiled;
}

}  // namespace minillm
