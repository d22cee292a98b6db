// The automata of a rule's words and patterns, in all spellings that are taken as one. Internal.

#ifndef LIBMINILLM_POLICY_RULE_AUTOMATA_H_
#define LIBMINILLM_POLICY_RULE_AUTOMATA_H_

#include <string>
#include <vector>

#include "libminillm/constrain/byte_automaton.h"

namespace minillm {

inline constexpr size_t kLongestMatch = 1000;  // bytes

// Both throw Error: of the words and patterns that policy.h excludes.
std::vector<ByteAutomaton> automata_of_rule_words(const std::vector<std::string>& words);
ByteAutomaton automaton_of_rule_pattern(const std::string& pattern);

}  // namespace minillm

#endif  // LIBMINILLM_POLICY_RULE_AUTOMATA_H_
