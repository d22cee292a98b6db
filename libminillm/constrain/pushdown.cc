#include "libminillm/constrain/pushdown.h"

#include <algorithm>
#include <utility>

namespace minillm {
namespace {

constexpr size_t kMaxFollowed = 16 * StackPool::kMaxStacks;  // frames between two bytes

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

uint64_t hash_of(const StackPool::Frame& frame) {
  return mix(mix(uint64_t{frame.rule} << 32 | frame.below, 1),
             uint64_t{frame.at} << 32 | frame.most);
}

}  // namespace

StackPool::StackPool(const Grammar& grammar) : grammar_(grammar), frames_(1), slots_(64) {}

Stack StackPool::push(const Frame& frame) {
  if (2 * frames_.size() >= slots_.size()) grow();
  size_t slot = hash_of(frame) & (slots_.size() - 1);
  while (slots_[slot] != 0) {
    if (frames_[slots_[slot]] == frame) return slots_[slot];
    slot = (slot + 1) & (slots_.size() - 1);
  }
  frames_.push_back(frame);
  return slots_[slot] = static_cast<Stack>(frames_.size() - 1);
}

void StackPool::grow() {
  slots_.assign(2 * slots_.size(), 0);
  for (size_t i = 1; i < frames_.size(); ++i) {
    size_t slot = hash_of(frames_[i]) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<Stack>(i);
  }
}

Stack StackPool::begin(Grammar::Rule rule, Stack below) {
  return push({rule, grammar_[rule].least, grammar_[rule].most, below});
}

Stacks StackPool::start(Grammar::Rule rule) {
  bool overflow = false;
  return close({begin(rule, kNothingLeft)}, &overflow);
}

Stack StackPool::moved(Stack stack, uint32_t state) {
  Frame frame = frames_[stack];
  frame.at = state;
  return push(frame);
}

Stacks StackPool::after(const Stacks& stacks, uint8_t byte, bool* overflow) {
  Stacks next;
  for (const Stack stack : stacks) {
    if (stack == kNothingLeft) continue;
    const ByteEdge* const edge = find_edge(grammar_.edges(frames_[stack].at), byte);
    if (edge != nullptr) next.push_back(moved(stack, edge->target));
  }
  return close(next, overflow);
}

Stacks StackPool::close(const Stacks& moved, bool* overflow) {
  ++round_;
  Stacks ready;
  size_t count = 0;
  pending_ = moved;
  while (!pending_.empty()) {
    const Stack stack = pending_.back();
    pending_.pop_back();
    if (followed_.size() < frames_.size()) followed_.resize(2 * frames_.size());
    if (std::exchange(followed_[stack], round_) == round_) continue;
    if (stack == kNothingLeft) {
      ready.push_back(stack);
      continue;
    }
    if (++count > kMaxFollowed || ready.size() == kMaxStacks) {
      *overflow = true;
      return {};
    }
    const auto [rule, at, most, below] = frames_[stack];
    const Grammar::Definition& definition = grammar_[rule];
    const auto parts = grammar_.parts(definition);
    switch (definition.kind) {
      case Grammar::Kind::kAutomaton:
        if (grammar_.accepts(at)) pending_.push_back(below);
        if (!grammar_.edges(at).empty()) ready.push_back(stack);
        break;
      case Grammar::Kind::kSequence:  // nothing is left of it below its last part
        pending_.push_back(at == parts.size() ? below
                           : at + 1 == parts.size()
                               ? begin(parts[at], below)
                               : begin(parts[at], push({rule, at + 1, 0, below})));
        break;
      case Grammar::Kind::kChoice:
        for (const Grammar::Rule part : parts) pending_.push_back(begin(part, below));
        break;
      case Grammar::Kind::kRepeat: {
        if (at == 0) pending_.push_back(below);
        if (most == 0) break;
        const uint32_t left = most == Grammar::kUnlimited ? most : most - 1;
        const Stack rest = left == 0 ? below : push({rule, at == 0 ? 0 : at - 1, left, below});
        pending_.push_back(begin(parts[0], rest));
      }
    }
  }
  std::ranges::sort(ready);
  return ready;
}

Stack StackPool::take(const StackPool& other, Stack stack, uint32_t longest,
                      std::vector<Stack>& known) {
  if (known.size() < other.size()) known.resize(other.size(), 0);
  std::vector<Stack> unknown;
  while (stack != kNothingLeft && known[stack] == 0) {
    unknown.push_back(stack);
    stack = other[stack].below;
  }
  Stack taken = stack == kNothingLeft ? kNothingLeft : known[stack];
  for (; !unknown.empty(); unknown.pop_back()) {
    Frame frame = other[unknown.back()];
    frame.below = taken;
    if (grammar_[frame.rule].kind == Grammar::Kind::kRepeat) {
      frame.at = std::min(frame.at, longest + 1);
      if (frame.most > longest) frame.most = Grammar::kUnlimited;
    }
    taken = known[unknown.back()] = push(frame);
  }
  return taken;
}

size_t LazyStates::Hash::operator()(const Stacks& stacks) const {
  uint64_t hash = stacks.size();
  for (const Stack stack : stacks) hash = mix(hash, stack);
  return hash;
}

LazyStates::Id LazyStates::number(const Stacks& stacks) {
  if (stacks.empty()) return kDead;
  const auto [found, added] = numbers_.try_emplace(stacks, static_cast<Id>(states_.size()));
  if (added) states_.push_back({stacks, nullptr, nullptr});
  return found->second;
}

LazyStates::Id LazyStates::state_of(const StackPool& other, const Stacks& stacks,
                                    std::vector<Stack>& known) {
  Stacks taken;
  for (const Stack stack : stacks) taken.push_back(pool_.take(other, stack, longest_, known));
  std::ranges::sort(taken);
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  return number(taken);
}

LazyStates::Id LazyStates::after(Id state, uint8_t byte) {
  if (states_[state].row == nullptr) fill_row(state);
  return (*states_[state].row)[byte];
}

void LazyStates::fill_row(Id state) {
  auto row = std::make_unique<Row>();
  row->fill(kDead);
  std::vector<ByteEdge> edges;  // the target is the stack that has moved
  for (const Stack stack : states_[state].stacks) {
    if (stack == kNothingLeft) continue;
    for (const ByteEdge& edge : grammar_.edges(pool_[stack].at))
      edges.push_back({edge.low, edge.high, pool_.moved(stack, edge.target)});
  }
  Stacks moved;
  for_each_byte_range(edges, [&](uint8_t low, uint8_t high, std::span<const ByteEdge> here) {
    moved.clear();
    for (const ByteEdge& edge : here) moved.push_back(edge.target);
    bool overflow = false;  // too many ways to read it: not allowed
    const Id next = number(pool_.close(moved, &overflow));
    std::fill(row->begin() + low, row->begin() + high + 1, next);
  });
  states_[state].row = std::move(row);
}

}  // namespace minillm
