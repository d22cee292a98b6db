// Whether a text obeys a grammar, byte by byte.

#ifndef TESTS_CONSTRAIN_GRAMMAR_TEXT_H_
#define TESTS_CONSTRAIN_GRAMMAR_TEXT_H_

#include <string_view>

#include "libminillm/constrain/pushdown.h"

namespace minillm_testing {

inline bool obeys(const minillm::Grammar& grammar, std::string_view text) {
  minillm::StackPool pool(grammar);
  minillm::Stacks stacks = pool.start(grammar.start());
  bool overflow = false;
  for (const char c : text) stacks = pool.after(stacks, static_cast<uint8_t>(c), &overflow);
  return !stacks.empty() && stacks.front() == minillm::kNothingLeft;
}

}  // namespace minillm_testing

#endif  // TESTS_CONSTRAIN_GRAMMAR_TEXT_H_
