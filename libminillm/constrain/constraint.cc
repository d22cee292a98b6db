#include "libminillm/constrain/constraint.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libminillm/constrain/json_schema.h"
#include "libminillm/constrain/regex.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

// When more states are kept, all are made anew: a few megabytes, and the masks' bits.
constexpr size_t kMaxKeptStates = 2048;

}  // namespace

std::shared_ptr<const CompiledConstraint> CompiledConstraint::of_json_schema(
    std::string_view schema, std::shared_ptr<const TokenTrie> trie) {
  return std::make_shared<const CompiledConstraint>(json_schema_grammar(schema), std::move(trie));
}

std::shared_ptr<const CompiledConstraint> CompiledConstraint::of_regex(
    std::string_view expression, std::shared_ptr<const TokenTrie> trie) {
  const ByteAutomaton text = compile_regex(expression);
  Grammar grammar;
  const Grammar::Rule start = grammar.automaton(text);
  grammar.finish(start, grammar.automaton(without_space(text)));
  return std::make_shared<const CompiledConstraint>(std::move(grammar), std::move(trie));
}

std::shared_ptr<const CompiledConstraint> CompiledConstraint::of_tool_answer(
    const ToolAnswer& answer, std::shared_ptr<const TokenTrie> trie) {
  Grammar grammar = tool_answer_grammar(trie->tokenizer(), answer);
  return std::make_shared<const CompiledConstraint>(std::move(grammar), std::move(trie));
}

CompiledConstraint::CompiledConstraint(Grammar grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)) {}

std::shared_ptr<const TokenMask> CompiledConstraint::mask(const StackPool& pool,
                                                          const Stacks& stacks,
                                                          Taken& taken) const {
  const std::lock_guard lock(mutex_);
  if (!states_ || states_->size() > kMaxKeptStates) {
    states_.emplace(grammar_, trie_->longest());
    ++generation_;
  }
  if (taken.generation != generation_) taken = {generation_, {}};
  const LazyStates::Id state = states_->state_of(pool, stacks, taken.known);
  if (state == LazyStates::kDead)
    return std::make_shared<const TokenMask>(trie_->tokenizer().vocab_size());
  if (states_->mask(state) == nullptr) {
    std::shared_ptr<const TokenMask> made = walk(state);  // which makes states
    states_->mask(state) = std::move(made);
  }
  return states_->mask(state);
}

std::shared_ptr<const TokenMask> CompiledConstraint::walk(LazyStates::Id state) const {
  auto mask = std::make_shared<TokenMask>(trie_->tokenizer().vocab_size());
  std::vector<LazyStates::Id> at(trie_->longest() + size_t{1});  // by the number of bytes
  at[0] = state;
  const auto nodes = trie_->nodes();
  for (size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const LazyStates::Id next = states_->after(at[node.depth - size_t{1}], node.byte);
    if (next == LazyStates::kDead) {
      i = node.end;
      continue;
    }
    at[node.depth] = next;
    for (const Token token : trie_->tokens(node)) mask->add(token);
    ++i;
  }
  return mask;
}

TokenConstraint::TokenConstraint(std::shared_ptr<const CompiledConstraint> constraint,
                                 std::vector<Token> end_tokens, bool after_space)
    : constraint_(std::move(constraint)),
      end_tokens_(std::move(end_tokens)),
      pool_(constraint_->grammar()) {
  const Index vocab_size = constraint_->trie().tokenizer().vocab_size();
  std::erase_if(end_tokens_, [&](Token end) { return end < 0 || end >= vocab_size; });
  const Grammar& grammar = constraint_->grammar();
  stacks_ = pool_.start(after_space ? grammar.start_after_space() : grammar.start());
}

const TokenMask& TokenConstraint::allowed() {
  if (allowed_ != nullptr) return *allowed_;
  allowed_ = constraint_->mask(pool_, stacks_, taken_);
  const auto differs = [&](Token end) { return allowed_->contains(end) != may_end(); };
  if (std::ranges::any_of(end_tokens_, differs)) {
    auto own = std::make_shared<TokenMask>(*allowed_);
    for (const Token end : end_tokens_) may_end() ? own->add(end) : own->remove(end);
    allowed_ = std::move(own);
  }
  return *allowed_;
}

void TokenConstraint::accept(Token token) {
  allowed_ = nullptr;
  const auto refuse = [&](const char* why) {
    throw Error(fmt::format("constraint: token {}: {}", token, why));
  };
  if (std::ranges::find(end_tokens_, token) != end_tokens_.end()) {
    if (!may_end()) refuse("the text cannot end here");
    stacks_ = {kNothingLeft};
    return;
  }
  const std::string_view bytes = constraint_->trie().bytes(token);
  if (bytes.empty()) refuse("not a piece of text");
  for (const char c : bytes) {
    bool overflow = false;
    stacks_ = pool_.after(stacks_, static_cast<uint8_t>(c), &overflow);
    if (overflow) refuse("the text can be read in too many ways");
    if (stacks_.empty()) refuse("not allowed here");
  }
}

}  // namespace minillm
