// ByteAutomaton: a deterministic finite automaton over bytes, with what builds and combines them.

#ifndef LIBMINILLM_CONSTRAIN_BYTE_AUTOMATON_H_
#define LIBMINILLM_CONSTRAIN_BYTE_AUTOMATON_H_

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minillm {

struct ByteEdge {
  uint8_t low = 0, high = 0;  // both included
  uint32_t target = 0;        // a state
};

// State 0 is the start. The edges of a state are disjoint and ascending. Every state leads to one
// that accepts, so whoever follows edges can always finish; no states: no text is accepted.
struct ByteAutomaton {
  struct State {
    std::vector<ByteEdge> edges;
    bool accepts = false;
  };
  std::vector<State> states;

  bool matches(std::string_view bytes) const;
};

// An automaton for the words, of any bytes. Nothing for no words.
ByteAutomaton automaton_of_words(std::vector<std::string> words);

// What `all` accepts and `words` has not.
ByteAutomaton without_words(const ByteAutomaton& all, std::vector<std::string> words);

// What `all` accepts and has `part` nowhere in it. REQUIRES: it is not empty.
ByteAutomaton without_part(const ByteAutomaton& all, const std::string& part);
// What `text` accepts; if the first byte is a space, without that.
ByteAutomaton without_space(const ByteAutomaton& text);

// What `text` accepts in `least` to `most` characters. `character` accepts the characters, none of
// which is a beginning of another; `text` accepts sequences of them only. `states_left` goes down
// by the states that are tried; nothing at all if it comes to 0.
ByteAutomaton with_length(const ByteAutomaton& text, const ByteAutomaton& character, uint64_t least,
                          uint64_t most, size_t& states_left);

// Removes the states that lead to none that accepts, and those that nothing leads to.
void trim(ByteAutomaton& automaton);

// Calls visit(low, high, edges) for every range of bytes that lies in the same edges, ascending;
// `edges` may overlap; ranges in none are left out.
template <typename Visit>
void for_each_byte_range(std::span<const ByteEdge> edges, Visit&& visit) {
  std::bitset<257> cuts;
  for (const ByteEdge& edge : edges) cuts.set(edge.low), cuts.set(size_t{edge.high} + 1);
  std::vector<ByteEdge> here;
  for (size_t low = 0; low < 256;) {
    size_t end = low + 1;
    while (end < 256 && !cuts[end]) ++end;
    here.clear();
    for (const ByteEdge& edge : edges)
      if (edge.low <= low && low <= edge.high) here.push_back(edge);
    if (!here.empty())
      visit(static_cast<uint8_t>(low), static_cast<uint8_t>(end - 1),
            std::span<const ByteEdge>(here));
    low = end;
  }
}

// Appends an edge to ascending ones; joins it with the last one where that is the same.
inline void append_edge(std::vector<ByteEdge>& edges, uint8_t low, uint8_t high, uint32_t target) {
  if (!edges.empty() && edges.back().target == target && edges.back().high + 1 == low)
    edges.back().high = high;
  else
    edges.push_back({low, high, target});
}

// The edge for a byte among disjoint ones, or nullptr.
inline const ByteEdge* find_edge(std::span<const ByteEdge> edges, uint8_t byte) {
  const auto after = std::ranges::upper_bound(edges, byte, {}, &ByteEdge::low);
  if (after == edges.begin() || byte > std::prev(after)->high) return nullptr;
  return &*std::prev(after);
}

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_BYTE_AUTOMATON_H_
