// Constraints on what is generated: a JSON schema or a regular expression that the text obeys.
//
// A token is allowed if its bytes lead to a place from which the text can still be finished. So
// there is no dead end, and whoever draws only allowed tokens ends with a text that obeys, unless
// something else ends it before: the most tokens, the context.

#ifndef LIBMINILLM_CONSTRAIN_CONSTRAINT_H_
#define LIBMINILLM_CONSTRAIN_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "libminillm/constrain/grammar.h"
#include "libminillm/constrain/pushdown.h"
#include "libminillm/constrain/token_mask.h"
#include "libminillm/constrain/token_trie.h"
#include "libminillm/constrain/tool_answer.h"

namespace minillm {

// Compiled once, for one vocabulary; shared by requests and threads. It keeps the masks that were
// asked for, a bounded number of them; no mask depends on what was asked before.
class CompiledConstraint {
 public:
  // Throws Error naming what the schema asks for and is not supported (constrain/json_schema.h).
  static std::shared_ptr<const CompiledConstraint> of_json_schema(
      std::string_view schema, std::shared_ptr<const TokenTrie> trie);
  // The whole text matches; the syntax is in constrain/regex.h. Throws Error.
  static std::shared_ptr<const CompiledConstraint> of_regex(std::string_view expression,
                                                            std::shared_ptr<const TokenTrie> trie);

  // Throws Error as tool_answer_grammar.
  static std::shared_ptr<const CompiledConstraint> of_tool_answer(
      const ToolAnswer& answer, std::shared_ptr<const TokenTrie> trie);

  // `grammar` is finished.
  CompiledConstraint(Grammar grammar, std::shared_ptr<const TokenTrie> trie);

  const Grammar& grammar() const { return grammar_; }
  const TokenTrie& trie() const { return *trie_; }

  // The tokens that may follow where the text can be read in the ways `stacks`, end tokens apart.
  // Safe to call from several threads. `taken`: what a caller keeps for its own `pool`.
  struct Taken {
    uint64_t generation = 0;
    std::vector<Stack> known;
  };
  std::shared_ptr<const TokenMask> mask(const StackPool& pool, const Stacks& stacks,
                                        Taken& taken) const;

 private:
  std::shared_ptr<const TokenMask> walk(LazyStates::Id state) const;

  Grammar grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  mutable std::mutex mutex_;
  mutable std::optional<LazyStates> states_;
  mutable uint64_t generation_ = 0;  // of states_
};

// One text on its way through a constraint.
class TokenConstraint {
 public:
  // end_tokens   what ends the text; allowed only where it may end
  // after_space  the first token may bring a space that is not part of the text: a tokenizer puts
  //              one in front of a text, and decoding takes it away
  TokenConstraint(std::shared_ptr<const CompiledConstraint> constraint,
                  std::vector<Token> end_tokens, bool after_space = false);

  // What may come next; the end tokens and nothing else where the text is complete. Valid until the
  // next call of accept().
  const TokenMask& allowed();
  // Goes on after a token. Throws Error if it is not an allowed one.
  void accept(Token token);
  bool may_end() const { return !stacks_.empty() && stacks_.front() == kNothingLeft; }
  // Nothing but the end may come.
  bool must_end() const { return may_end() && stacks_.size() == 1; }
  // The same where no token says the end: nothing at all may come.
  bool is_over() const { return must_end() && end_tokens_.empty(); }

 private:
  std::shared_ptr<const CompiledConstraint> constraint_;
  std::vector<Token> end_tokens_;
  StackPool pool_;  // with exact counts
  Stacks stacks_;
  CompiledConstraint::Taken taken_;
  std::shared_ptr<const TokenMask> allowed_;  // null: not computed
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_CONSTRAINT_H_
