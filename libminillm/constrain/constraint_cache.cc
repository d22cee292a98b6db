#include "libminillm/constrain/constraint_cache.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {

ConstraintCache::ConstraintCache(const Tokenizer& tokenizer, size_t capacity)
    : trie_(std::make_shared<const TokenTrie>(tokenizer)), capacity_(capacity) {}

std::shared_ptr<const CompiledConstraint> ConstraintCache::json_schema(const std::string& schema) {
  return get("schema " + schema,
             [&](auto trie) { return CompiledConstraint::of_json_schema(schema, trie); });
}
std::shared_ptr<const CompiledConstraint> ConstraintCache::regex(const std::string& expression) {
  return get("regex " + expression,
             [&](auto trie) { return CompiledConstraint::of_regex(expression, trie); });
}
std::shared_ptr<const CompiledConstraint> ConstraintCache::tool_answer(const ToolAnswer& answer) {
  std::string key = fmt::format("tools {} {}", answer.must_call, answer.takes_many);
  for (const Tool& tool : answer.tools) key += '\0' + tool.name + '\0' + tool.declaration;
  if (answer.schema) key += '\1' + *answer.schema;
  return get(std::move(key),
             [&](auto trie) { return CompiledConstraint::of_tool_answer(answer, trie); });
}

// Compiles without the lock: what two threads ask for at once may be compiled twice.
std::shared_ptr<const CompiledConstraint> ConstraintCache::get(std::string key,
                                                               const Compile& compile) {
  const auto find = [&] { return std::ranges::find(kept_, key, [](auto& k) { return k.first; }); };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = find(); found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->second;
    }
  }
  std::shared_ptr<const CompiledConstraint> compiled = compile(trie_);
  const std::lock_guard lock(mutex_);
  if (const auto found = find(); found != kept_.end()) return found->second;
  kept_.emplace_front(std::move(key), compiled);
  if (kept_.size() > capacity_) kept_.pop_back();
  return compiled;
}

}  // namespace minillm
