#include "libminillm/policy/text_filter.h"

#include <algorithm>
#include <utility>

#include "libminillm/constrain/spellings.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

// The rules of a place that match texts; of those that replace only, if `replacing`.
std::vector<const PolicyRule*> rules_of(const Policy& policy, PolicyPlace place, bool replacing) {
  std::vector<const PolicyRule*> rules;
  for (const PolicyRule& rule : policy.rules())
    if (rule.applies_to(place) && !rule.asks_model() &&
        (!replacing || rule.action == PolicyRule::Action::kReplace))
      rules.push_back(&rule);
  return rules;
}

// Bytes of the first character, or of what is none and counts as one. 0: it may go on.
size_t character_length(std::string_view text, bool ended) {
  bool cut_off = false;
  const size_t length = utf8_character_length(text, &cut_off);
  if (length > 0) return length;
  return cut_off && !ended ? 0 : 1;
}

struct Match {
  size_t length = 0;       // 0: none
  size_t known_after = 0;  // bytes that say so; of a word, one after its end
  bool open = false;       // more text may make one, or a longer one
};

// At the beginning of `text`, which follows a word's character or does not.
Match match_at(const PolicyRule& rule, PolicyRule::Action action, std::string_view text, bool ended,
               bool after_word) {
  Match best;
  if (rule.whole_words && after_word) return best;
  const bool shortest = action == PolicyRule::Action::kRefuse;
  for (const ByteAutomaton& automaton : rule.automata) {
    uint32_t state = 0;
    Match own;
    for (size_t at = 0;; ++at) {
      if (automaton.states[state].accepts && at > 0) {
        const std::string_view rest = text.substr(at);
        const bool undecided =
            rule.whole_words && !ended && (rest.empty() || character_length(rest, false) == 0);
        const bool is_match = !rule.whole_words || !begins_with_word_character(rest);
        if (undecided)
          own.open = true;
        else if (is_match)
          own.length = at, own.known_after = at + rule.whole_words;
        if (own.length > 0 && shortest) break;
      }
      if (at == text.size()) {
        own.open = own.open || (!ended && !automaton.states[state].edges.empty());
        break;
      }
      const ByteEdge* const edge =
          find_edge(automaton.states[state].edges, static_cast<uint8_t>(text[at]));
      if (edge == nullptr) break;
      state = edge->target;
    }
    const bool better = shortest ? best.length == 0 || own.known_after < best.known_after
                                 : own.length > best.length;
    if (own.length > 0 && better) best.length = own.length, best.known_after = own.known_after;
    best.open = best.open || own.open;
  }
  return best;
}

}  // namespace

bool contains_match(const PolicyRule& rule, std::string_view text) {
  RulePass pass({&rule}, PolicyRule::Action::kRefuse);
  pass.push(text);
  pass.finish();
  return pass.refused() != nullptr;
}

std::string RulePass::push(std::string_view piece) {
  if (refused_ != nullptr) return "";
  held_ += piece;
  return go_on(false);
}

std::string RulePass::finish() {
  if (refused_ != nullptr) return "";
  return go_on(true);
}

// What is decided depends on the text alone, not on how much of it is there: of two matches at one
// place the one that is known first counts.
std::string RulePass::go_on(bool ended) {
  std::string told;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const size_t character = character_length(rest, ended);
    if (character == 0) break;
    const PolicyRule* found = nullptr;
    Match best;
    bool open = false;
    for (const PolicyRule* rule : rules_) {
      const Match match = match_at(*rule, action_, rest, ended, after_word_);
      open = open || match.open;
      if (match.length == 0) continue;
      const bool better = action_ == PolicyRule::Action::kRefuse
                              ? match.known_after < best.known_after
                              : match.length > best.length;
      if (found == nullptr || better) found = rule, best = match;
    }
    if (action_ == PolicyRule::Action::kRefuse && found != nullptr) {
      refused_ = found;
      held_.clear();
      return told;
    }
    if (open) break;
    const size_t length = found != nullptr ? best.length : character;
    told += found != nullptr ? std::string_view(found->text) : rest.substr(0, length);
    after_word_ = ends_with_word_character(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  held_.erase(0, held_.size() - rest.size());
  return told;
}

TextFilter::TextFilter(const Policy& policy, PolicyPlace place)
    : place_(place),
      replace_(rules_of(policy, place, true), PolicyRule::Action::kReplace),
      refuse_(rules_of(policy, place, false), PolicyRule::Action::kRefuse) {}

std::string TextFilter::push(std::string_view piece) { return refuse_.push(replace_.push(piece)); }

std::string TextFilter::finish() {
  std::string told = refuse_.push(replace_.finish());
  return told + refuse_.finish();
}

std::optional<PolicyVerdict> TextFilter::verdict() const {
  const PolicyRule* const rule = refuse_.refused();
  if (rule == nullptr) return std::nullopt;
  return PolicyVerdict{rule->name, place_, rule->text};
}

}  // namespace minillm
