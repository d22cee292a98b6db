#include "libminillm/constrain/grammar.h"

#include <utility>

#include "libminillm/core/check.h"

namespace minillm {

Grammar::Rule Grammar::add(const Definition& rule, std::span<const Rule> parts) {
  MINILLM_CHECK(rules_.size() < kMaxRules, "constraint: too large: expected at most {} rules",
                kMaxRules);
  rules_.push_back(rule);
  parts_.insert(parts_.end(), parts.begin(), parts.end());
  return static_cast<Rule>(rules_.size() - 1);
}

Grammar::Rule Grammar::automaton(const ByteAutomaton& automaton) {
  MINILLM_CHECK(states_.size() + automaton.states.size() <= kMaxStates,
                "constraint: too large: expected at most {} states", kMaxStates);
  if (automaton.states.empty()) return choice({});
  const auto base = static_cast<uint32_t>(states_.size());
  for (const ByteAutomaton::State& state : automaton.states) {
    states_.push_back({static_cast<uint32_t>(edges_.size()),
                       static_cast<uint32_t>(state.edges.size()), state.accepts});
    for (ByteEdge edge : state.edges) {
      edge.target += base;
      edges_.push_back(edge);
    }
  }
  return add({.kind = Kind::kAutomaton, .least = base}, {});
}

Grammar::Rule Grammar::words(std::vector<std::string> words) {
  return automaton(automaton_of_words(std::move(words)));
}

Grammar::Rule Grammar::sequence(std::span<const Rule> parts) {
  return add({.kind = Kind::kSequence,
              .first = static_cast<uint32_t>(parts_.size()),
              .count = static_cast<uint32_t>(parts.size())},
             parts);
}

Grammar::Rule Grammar::choice(std::span<const Rule> alternatives) {
  return add({.kind = Kind::kChoice,
              .first = static_cast<uint32_t>(parts_.size()),
              .count = static_cast<uint32_t>(alternatives.size())},
             alternatives);
}

Grammar::Rule Grammar::repeat(Rule part, uint32_t least, uint32_t most) {
  MINILLM_DCHECK(least <= most);
  return add({.kind = Kind::kRepeat,
              .first = static_cast<uint32_t>(parts_.size()),
              .count = 1,
              .least = least,
              .most = most},
             std::span(&part, 1));
}

void Grammar::define(Rule reserved, Rule definition) {
  rules_[reserved].first = static_cast<uint32_t>(parts_.size());
  rules_[reserved].count = 1;
  parts_.push_back(definition);
}

// Spreads from the rules that need no other to those that are satisfied with them.
std::vector<char> Grammar::satisfiable() const {
  std::vector<std::vector<Rule>> users(rules_.size());
  std::vector<uint32_t> missing(rules_.size());
  std::vector<char> good(rules_.size(), 0);
  std::vector<Rule> pending;
  const auto accept = [&](Rule rule) {
    if (!std::exchange(good[rule], 1)) pending.push_back(rule);
  };
  for (Rule rule = 0; rule < rules_.size(); ++rule) {
    const Definition& definition = rules_[rule];
    for (const Rule part : parts(definition)) users[part].push_back(rule);
    missing[rule] = definition.kind == Kind::kSequence ? definition.count : 1;
    if (definition.kind == Kind::kRepeat && definition.least == 0) missing[rule] = 0;
    if (definition.kind == Kind::kAutomaton || missing[rule] == 0) accept(rule);
  }
  while (!pending.empty()) {
    const Rule rule = pending.back();
    pending.pop_back();
    for (const Rule user : users[rule])
      if (missing[user] > 0 && --missing[user] == 0) accept(user);
  }
  return good;
}

bool Grammar::finish(Rule start, Rule start_after_space) {
  start_ = start;
  start_after_space_ = start_after_space;
  const std::vector<char> good = satisfiable();
  for (Definition& rule : rules_) {
    if (rule.kind == Kind::kRepeat && !good[parts_[rule.first]]) rule.most = 0;
    if (rule.kind != Kind::kChoice) continue;
    const auto first = parts_.begin() + rule.first;
    const auto kept = std::remove_if(first, first + rule.count, [&](Rule r) { return !good[r]; });
    rule.count = static_cast<uint32_t>(kept - first);
  }
  return good[start] != 0;
}

}  // namespace minillm
