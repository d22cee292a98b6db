#include "libminillm/constrain/byte_automaton.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr uint32_t kNowhere = UINT32_MAX;

// Numbers the states of a product of automata as they are met.
template <typename Key>
class Numbering {
 public:
  uint32_t number(const Key& key) {
    const auto [found, added] = numbers_.try_emplace(key, static_cast<uint32_t>(keys.size()));
    if (added) keys.push_back(key);
    return found->second;
  }
  std::vector<Key> keys;

 private:
  std::map<Key, uint32_t> numbers_;
};

}  // namespace

bool ByteAutomaton::matches(std::string_view bytes) const {
  if (states.empty()) return false;
  uint32_t state = 0;
  for (const char c : bytes) {
    const ByteEdge* const edge = find_edge(states[state].edges, static_cast<uint8_t>(c));
    if (edge == nullptr) return false;
    state = edge->target;
  }
  return states[state].accepts;
}

ByteAutomaton automaton_of_words(std::vector<std::string> words) {
  std::ranges::sort(words);
  ByteAutomaton trie;
  if (words.empty()) return trie;
  trie.states.emplace_back();
  for (const std::string& word : words) {
    uint32_t state = 0;
    for (const char c : word) {
      const auto byte = static_cast<uint8_t>(c);
      // The words ascend, so what this one shares with an earlier one is on the last edges.
      const std::vector<ByteEdge>& edges = trie.states[state].edges;
      if (!edges.empty() && edges.back().low == byte) {
        state = edges.back().target;
        continue;
      }
      const auto added = static_cast<uint32_t>(trie.states.size());
      trie.states[state].edges.push_back({byte, byte, added});
      trie.states.emplace_back();
      state = added;
    }
    trie.states[state].accepts = true;
  }
  return trie;
}

ByteAutomaton without_words(const ByteAutomaton& all, std::vector<std::string> words) {
  const ByteAutomaton trie = automaton_of_words(std::move(words));
  if (all.states.empty() || trie.states.empty()) return all;
  ByteAutomaton result;
  Numbering<std::pair<uint32_t, uint32_t>> states;  // of `all`, and of the trie or kNowhere
  states.number({0, 0});
  for (size_t i = 0; i < states.keys.size(); ++i) {
    const auto [state, word] = states.keys[i];
    const std::vector<ByteEdge>& of_all = all.states[state].edges;
    const std::vector<ByteEdge> of_word =
        word == kNowhere ? std::vector<ByteEdge>() : trie.states[word].edges;
    ByteAutomaton::State& added = result.states.emplace_back();
    added.accepts = all.states[state].accepts && (word == kNowhere || !trie.states[word].accepts);
    std::vector<ByteEdge> both = of_all;
    both.insert(both.end(), of_word.begin(), of_word.end());
    for_each_byte_range(both, [&](uint8_t low, uint8_t high, std::span<const ByteEdge>) {
      const ByteEdge* const next = find_edge(of_all, low);
      const ByteEdge* const next_word = find_edge(of_word, low);
      if (next != nullptr)
        append_edge(added.edges, low, high,
                    states.number({next->target, next_word ? next_word->target : kNowhere}));
    });
  }
  trim(result);
  return result;
}

ByteAutomaton with_length(const ByteAutomaton& text, const ByteAutomaton& character, uint64_t least,
                          uint64_t most, size_t& states_left) {
  ByteAutomaton result;
  if (text.states.empty()) return result;
  using Key = std::tuple<uint32_t, uint32_t, uint64_t>;  // in the text, in the character, how many
  Numbering<Key> states;
  states.number({0, 0, 0});
  for (size_t i = 0; i < states.keys.size(); ++i) {
    if (states_left == 0) return {};
    --states_left;
    const uint32_t state = std::get<0>(states.keys[i]), within = std::get<1>(states.keys[i]);
    const uint64_t count = std::get<2>(states.keys[i]);
    ByteAutomaton::State& added = result.states.emplace_back();
    added.accepts = within == 0 && text.states[state].accepts && count >= least && count <= most;
    if (within == 0 && count >= most) continue;
    const std::vector<ByteEdge>& of_text = text.states[state].edges;
    const std::vector<ByteEdge>& of_character = character.states[within].edges;
    std::vector<ByteEdge> both = of_text;
    both.insert(both.end(), of_character.begin(), of_character.end());
    for_each_byte_range(both, [&](uint8_t low, uint8_t high, std::span<const ByteEdge>) {
      const ByteEdge* const next = find_edge(of_text, low);
      const ByteEdge* const inner = find_edge(of_character, low);
      if (next == nullptr || inner == nullptr) return;
      const bool ended = character.states[inner->target].accepts;
      // Beyond `least`, the count matters only if there is a `most`.
      const bool counts = ended && (most != UINT64_MAX || count < least);
      append_edge(added.edges, low, high,
                  states.number({next->target, ended ? 0 : inner->target, count + counts}));
    });
  }
  trim(result);
  return result;
}

ByteAutomaton without_part(const ByteAutomaton& all, const std::string& part) {
  MINILLM_DCHECK(!part.empty());
  if (all.states.empty()) return all;
  // How much of the part a text ends with: one letter more, or what its own beginning allows
  // (Knuth, Morris and Pratt 1977). Parts are short: each step looks for it anew.
  const auto next_length = [&](uint32_t length, uint8_t byte) {
    const std::string text = part.substr(0, length) + static_cast<char>(byte);
    size_t longest = std::min(text.size(), part.size());
    while (!text.ends_with(std::string_view(part).substr(0, longest))) --longest;
    return static_cast<uint32_t>(longest);
  };
  std::vector<ByteEdge> letters;
  for (const char c : part) letters.push_back({static_cast<uint8_t>(c), static_cast<uint8_t>(c)});
  ByteAutomaton result;
  Numbering<std::pair<uint32_t, uint32_t>> states;  // of `all`, and the length
  states.number({0, 0});
  for (size_t i = 0; i < states.keys.size(); ++i) {
    const auto [state, length] = states.keys[i];
    ByteAutomaton::State& added = result.states.emplace_back();
    added.accepts = all.states[state].accepts;
    std::vector<ByteEdge> both = all.states[state].edges;
    both.insert(both.end(), letters.begin(), letters.end());
    const uint32_t from = length;
    for_each_byte_range(both, [&](uint8_t low, uint8_t high, std::span<const ByteEdge>) {
      const ByteEdge* const next = find_edge(all.states[states.keys[i].first].edges, low);
      const uint32_t longer = next_length(from, low);
      if (next != nullptr && longer < part.size())
        append_edge(added.edges, low, high, states.number({next->target, longer}));
    });
  }
  trim(result);
  return result;
}

ByteAutomaton without_space(const ByteAutomaton& text) {
  ByteAutomaton result;
  result.states.emplace_back();
  for (ByteAutomaton::State state : text.states) {
    for (ByteEdge& edge : state.edges) ++edge.target;
    result.states.push_back(std::move(state));
  }
  std::vector<ByteEdge> edges = result.states[1].edges;
  edges.push_back({' ', ' ', 1});
  for_each_byte_range(edges, [&](uint8_t low, uint8_t high, std::span<const ByteEdge> here) {
    append_edge(result.states[0].edges, low, high, here.back().target);
  });
  result.states[0].accepts = text.states[0].accepts;
  return result;
}

void trim(ByteAutomaton& automaton) {
  std::vector<ByteAutomaton::State>& states = automaton.states;
  std::vector<std::vector<uint32_t>> sources(states.size());
  std::vector<uint32_t> pending;
  std::vector<char> ends(states.size(), 0);
  for (uint32_t i = 0; i < states.size(); ++i) {
    for (const ByteEdge& edge : states[i].edges) sources[edge.target].push_back(i);
    if (states[i].accepts) ends[i] = 1, pending.push_back(i);
  }
  while (!pending.empty()) {
    const uint32_t state = pending.back();
    pending.pop_back();
    for (const uint32_t source : sources[state])
      if (!ends[source]) ends[source] = 1, pending.push_back(source);
  }
  if (states.empty() || !ends[0]) {
    states.clear();
    return;
  }
  for (ByteAutomaton::State& state : states)
    std::erase_if(state.edges, [&](const ByteEdge& edge) { return !ends[edge.target]; });

  std::vector<uint32_t> order = {0}, place(states.size(), kNowhere);
  place[0] = 0;
  for (size_t i = 0; i < order.size(); ++i)
    for (const ByteEdge& edge : states[order[i]].edges) {
      if (place[edge.target] != kNowhere) continue;
      place[edge.target] = static_cast<uint32_t>(order.size());
      order.push_back(edge.target);
    }
  std::vector<ByteAutomaton::State> kept;
  for (const uint32_t old : order) {
    kept.push_back(std::move(states[old]));
    for (ByteEdge& edge : kept.back().edges) edge.target = place[edge.target];
  }
  states = std::move(kept);
}

}  // namespace minillm
