// The pushdown automaton of a grammar: stacks that share their lower parts, and its lazily
// determinised states.

#ifndef LIBMINILLM_CONSTRAIN_PUSHDOWN_H_
#define LIBMINILLM_CONSTRAIN_PUSHDOWN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "libminillm/constrain/grammar.h"
#include "libminillm/constrain/token_mask.h"

namespace minillm {

// What is left to match, from the innermost rule outwards. Equal stacks have equal numbers, so a
// set of stacks is a set of numbers, and ways to read a text that come to the same are one.
using Stack = uint32_t;
inline constexpr Stack kNothingLeft = 0;

// All ways in which a text so far can be read: ascending. kNothingLeft among them: it may end here.
using Stacks = std::vector<Stack>;

class StackPool {
 public:
  // A rule on its way. kAutomaton: at = its state. kSequence: at = the part that comes next.
  // kRepeat: at = how many have to come, most = how many may.
  struct Frame {
    Grammar::Rule rule = 0;
    uint32_t at = 0, most = 0;
    Stack below = kNothingLeft;
    bool operator==(const Frame&) const = default;
  };

  // The grammar must outlive the pool and be finished.
  explicit StackPool(const Grammar& grammar);

  Stacks start(Grammar::Rule rule);
  // After one byte more; empty if it is not allowed. Sets `*overflow` where there are more ways to
  // read the text than kMaxStacks; then the result is empty, too.
  Stacks after(const Stacks& stacks, uint8_t byte, bool* overflow);
  // The stack after an edge of its automaton, without what may follow from that: see close().
  Stack moved(Stack stack, uint32_t state);
  // Follows the rules from stacks that just moved until each needs a byte or has nothing left.
  Stacks close(const Stacks& moved, bool* overflow);

  // The stack of another pool of this grammar in this one, its counts cut to `longest`, above which
  // they make no difference to the next `longest` bytes. `known` remembers what has been taken
  // over, by the other's numbers.
  Stack take(const StackPool& other, Stack stack, uint32_t longest, std::vector<Stack>& known);

  const Frame& operator[](Stack stack) const { return frames_[stack]; }
  size_t size() const { return frames_.size(); }

  static constexpr size_t kMaxStacks = 4096;

 private:
  Stack push(const Frame& frame);
  Stack begin(Grammar::Rule rule, Stack below);
  void grow();

  const Grammar& grammar_;
  std::vector<Frame> frames_;    // 0: the bottom
  std::vector<uint32_t> slots_;  // a hash table of numbers of frames; 0: free
  // Of close(): what is to be followed, and when each frame was followed last.
  std::vector<Stack> pending_;
  std::vector<uint32_t> followed_;
  uint32_t round_ = 0;
};

// Sets of stacks as numbered states with their transitions, made when they are asked for. Counts
// are cut (StackPool::take), so there are few states.
class LazyStates {
 public:
  using Id = uint32_t;
  static constexpr Id kDead = UINT32_MAX;

  LazyStates(const Grammar& grammar, uint32_t longest)
      : pool_(grammar), longest_(longest), grammar_(grammar) {}

  // The state of stacks of another pool; `known` as in StackPool::take.
  Id state_of(const StackPool& other, const Stacks& stacks, std::vector<Stack>& known);
  Id after(Id state, uint8_t byte);
  // Whatever the user keeps with a state.
  std::shared_ptr<const TokenMask>& mask(Id state) { return states_[state].mask; }
  size_t size() const { return states_.size(); }

 private:
  using Row = std::array<Id, 256>;
  struct State {
    Stacks stacks;
    std::unique_ptr<Row> row;
    std::shared_ptr<const TokenMask> mask;
  };
  struct Hash {
    size_t operator()(const Stacks& stacks) const;
  };
  Id number(const Stacks& stacks);
  void fill_row(Id state);

  StackPool pool_;
  uint32_t longest_;
  const Grammar& grammar_;
  std::vector<State> states_;
  std::unordered_map<Stacks, Id, Hash> numbers_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_PUSHDOWN_H_
