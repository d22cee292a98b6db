// TextFilter: a policy's rules on a text that arrives in pieces, as an answer does.

#ifndef LIBMINILLM_POLICY_TEXT_FILTER_H_
#define LIBMINILLM_POLICY_TEXT_FILTER_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/policy/policy.h"

namespace minillm {

// Whether any part of the text is a match of the rule.
bool contains_match(const PolicyRule& rule, std::string_view text);

// One pass over a text: finds the leftmost matches of some rules, each as long as it can be
// (kReplace) or as soon as it is there (kRefuse). What may still become one is held back.
class RulePass {
 public:
  RulePass(std::vector<const PolicyRule*> rules, PolicyRule::Action action)
      : rules_(std::move(rules)), action_(action) {}

  std::string push(std::string_view piece);
  std::string finish();  // the text has ended
  // The rule that refused: the text before the match has been returned, and nothing more comes.
  const PolicyRule* refused() const { return refused_; }

 private:
  std::string go_on(bool ended);

  std::vector<const PolicyRule*> rules_;
  PolicyRule::Action action_;
  std::string held_;
  bool after_word_ = false;  // the character before held_ is one of a word
  const PolicyRule* refused_ = nullptr;
};

class TextFilter {
 public:
  // The policy must outlive the filter.
  TextFilter(const Policy& policy, PolicyPlace place);

  // Takes the next piece of text and returns what has become certain to be told, the same text
  // however it is cut into pieces.
  std::string push(std::string_view piece);
  std::string finish();
  // A rule has refused: the text ends before the match. What is told instead is not returned by
  // push(). Nothing: no rule has, so far.
  std::optional<PolicyVerdict> verdict() const;

 private:
  PolicyPlace place_;
  RulePass replace_, refuse_;
};

}  // namespace minillm

#endif  // LIBMINILLM_POLICY_TEXT_FILTER_H_
