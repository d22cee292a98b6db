// Grammar: which texts are allowed, as a graph of rules over bytes. It may refer to itself.

#ifndef LIBMINILLM_CONSTRAIN_GRAMMAR_H_
#define LIBMINILLM_CONSTRAIN_GRAMMAR_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "libminillm/constrain/byte_automaton.h"

namespace minillm {

// Built from parts; then finish(), after which it does not change. Memory and time are limited:
// what adds throws Error where it would grow beyond kMaxStates or kMaxRules.
class Grammar {
 public:
  using Rule = uint32_t;
  static constexpr uint32_t kUnlimited = UINT32_MAX;
  static constexpr size_t kMaxRules = 200'000, kMaxStates = 100'000;

  // What the automaton accepts. The parts of a text between which it changes rules are found
  // without looking ahead: all ways to read it are followed at once.
  Rule automaton(const ByteAutomaton& automaton);
  Rule words(std::vector<std::string> words);  // one of them
  Rule literal(const std::string& text) { return words({text}); }
  Rule empty() { return sequence({}); }
  Rule sequence(std::span<const Rule> parts);
  Rule choice(std::span<const Rule> alternatives);
  Rule sequence(std::initializer_list<Rule> parts) { return sequence(std::span(parts)); }
  Rule choice(std::initializer_list<Rule> parts) { return choice(std::span(parts)); }
  // The part with or without a space in front of it.
  Rule after_space(Rule part) { return sequence({words({"", " "}), part}); }
  // `part` `least` to `most` times. REQUIRES: `part` does not allow the empty text.
  Rule repeat(Rule part, uint32_t least, uint32_t most);
  // A rule that is defined later, by define(): for what refers to itself.
  Rule reserve() { return choice({}); }
  void define(Rule reserved, Rule definition);

  // Takes out of every choice what no finite text can satisfy: after that, whoever follows the
  // grammar can always come to an end. Returns false if nothing at all satisfies `start`.
  // `start_after_space`: the same texts where one space in front of them is not part of them.
  bool finish(Rule start, Rule start_after_space);
  Rule start() const { return start_; }
  Rule start_after_space() const { return start_after_space_; }

  // --- What the pushdown automaton reads (constrain/pushdown.h) ---
  enum class Kind : uint8_t { kAutomaton, kSequence, kChoice, kRepeat };
  struct Definition {
    Kind kind = Kind::kSequence;
    uint32_t first = 0, count = 0;  // parts
    uint32_t least = 0, most = 0;   // of kRepeat; kAutomaton: least is its first state
  };
  const Definition& operator[](Rule rule) const { return rules_[rule]; }
  std::span<const Rule> parts(const Definition& rule) const {
    return std::span(parts_).subspan(rule.first, rule.count);
  }
  std::span<const ByteEdge> edges(uint32_t state) const {
    return std::span(edges_).subspan(states_[state].first_edge, states_[state].edges);
  }
  bool accepts(uint32_t state) const { return states_[state].accepts; }

 private:
  struct State {
    uint32_t first_edge = 0, edges = 0;
    bool accepts = false;
  };
  Rule add(const Definition& rule, std::span<const Rule> parts);
  std::vector<char> satisfiable() const;

  std::vector<Definition> rules_;
  std::vector<Rule> parts_;
  std::vector<State> states_;  // of all automata
  std::vector<ByteEdge> edges_;
  Rule start_ = 0, start_after_space_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_GRAMMAR_H_
