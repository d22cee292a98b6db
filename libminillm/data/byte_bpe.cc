#include "libminillm/data/byte_bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <queue>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

constexpr size_t kShortWord = 24;  // symbols; up to here, looking at all pairs beats a heap

// Code points below U+0180, one or two bytes of UTF-8.
std::string utf8_of(uint32_t c) {
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
}

const std::array<std::string, 256>& letters() {
  static const std::array<std::string, 256> kLetters = [] {
    std::array<std::string, 256> made;
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool seen = (0x21 <= byte && byte <= 0x7e) || (0xa1 <= byte && byte != 0xad);
      made[byte] = utf8_of(seen ? byte : next++);
    }
    return made;
  }();
  return kLetters;
}

}  // namespace

std::string_view byte_letter(uint8_t byte) { return letters()[byte]; }

std::optional<std::string> bytes_of_letters(std::string_view text) {
  static const std::array<int16_t, 0x180> kBytes = [] {
    std::array<int16_t, 0x180> bytes;
    bytes.fill(-1);
    for (size_t byte = 0; byte < 256; ++byte) {
      const std::string& letter = letters()[byte];
      const size_t c = letter.size() == 1
                           ? static_cast<size_t>(letter[0])
                           : static_cast<size_t>((letter[0] & 31) << 6 | (letter[1] & 63));
      bytes[c] = static_cast<int16_t>(byte);
    }
    return bytes;
  }();
  std::string bytes;
  while (!text.empty()) {
    const size_t length = utf8_character_length(text);
    if (length == 0 || length > 2) return std::nullopt;
    const size_t c = length == 1 ? static_cast<uint8_t>(text[0])
                                 : static_cast<size_t>((text[0] & 31) << 6 | (text[1] & 63));
    if (c >= kBytes.size() || kBytes[c] < 0) return std::nullopt;
    bytes += static_cast<char>(kBytes[c]);
    text.remove_prefix(length);
  }
  return bytes;
}

BpeMerges::BpeMerges(std::vector<BpeMerge> merges) : merges_(std::move(merges)) {
  const size_t size = std::bit_ceil(std::max<size_t>(2 * merges_.size(), 2));
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
  for (size_t i = 0; i < merges_.size(); ++i) {
    const BpeMerge& merge = merges_[i];
    Slot& slot = slots_[slot_of(pair_of(merge.left, merge.right))];
    MINILLM_CHECK(slot.rank == kNone, "merges {} and {} are of the same pair", slot.rank, i);
    slot = {pair_of(merge.left, merge.right), static_cast<uint32_t>(i)};
  }
}

// Where the pair is, or where it would be: Fibonacci hashing, then one slot after another.
size_t BpeMerges::slot_of(uint64_t pair) const {
  size_t at = (pair * 0x9e3779b97f4a7c15) >> shift_;
  while (slots_[at].rank != kNone && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
  return at;
}

uint32_t BpeMerges::rank(Token left, Token right) const {
  return slots_[slot_of(pair_of(left, right))].rank;
}

void BpeMerges::merge(std::vector<Token>& symbols) const {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShortWord) return merge_short(symbols);
  merge_long(symbols);
}

void BpeMerges::merge_short(std::vector<Token>& symbols) const {
  std::array<uint32_t, kShortWord> ranks;  // of each symbol with the next
  size_t pairs = symbols.size() - 1;
  for (size_t i = 0; i < pairs; ++i) ranks[i] = rank(symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    const size_t best = static_cast<size_t>(
        std::min_element(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(pairs)) -
        ranks.begin());
    if (ranks[best] == kNone) break;
    symbols[best] = merges_[ranks[best]].result;
    std::copy(symbols.begin() + static_cast<ptrdiff_t>(best) + 2,
              symbols.begin() + static_cast<ptrdiff_t>(pairs) + 1,
              symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    for (size_t i = best + 1; i < pairs; ++i) ranks[i - 1] = ranks[i];
    --pairs;
    if (best < pairs) ranks[best] = rank(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = rank(symbols[best - 1], symbols[best]);
  }
  symbols.resize(pairs + 1);
}

// The symbols are a linked list, and a heap holds the pairs that can be merged. A pair whose
// neighbour has changed meanwhile is noticed by its rank when its turn comes.
void BpeMerges::merge_long(std::vector<Token>& symbols) const {
  MINILLM_CHECK(symbols.size() < kNone, "tokenizer: a word of {} symbols is too long",
                symbols.size());
  struct Node {
    uint32_t previous, next;  // kNone: there is none
    uint32_t rank;            // with the next; kNone: cannot be merged, or is merged away
  };
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<Node> nodes(count);
  std::vector<uint64_t> pairs;
  for (uint32_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    nodes[i] = {i == 0 ? kNone : i - 1, last ? kNone : i + 1,
                last ? kNone : rank(symbols[i], symbols[i + 1])};
    if (nodes[i].rank != kNone) pairs.push_back(uint64_t{nodes[i].rank} << 32 | i);
  }
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> heap({}, std::move(pairs));
  const auto renew = [&](uint32_t i) {
    nodes[i].rank = nodes[i].next == kNone ? kNone : rank(symbols[i], symbols[nodes[i].next]);
    if (nodes[i].rank != kNone) heap.push(uint64_t{nodes[i].rank} << 32 | i);
  };
  while (!heap.empty()) {
    const auto rank = static_cast<uint32_t>(heap.top() >> 32),
               at = static_cast<uint32_t>(heap.top());
    heap.pop();
    if (nodes[at].rank != rank) continue;
    const uint32_t gone = nodes[at].next;
    symbols[at] = merges_[rank].result;
    nodes[at].next = nodes[gone].next;
    nodes[gone].rank = kNone;
    if (nodes[at].next != kNone) nodes[nodes[at].next].previous = at;
    renew(at);
    if (nodes[at].previous != kNone) renew(nodes[at].previous);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i != kNone; i = nodes[i].next) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

}  // namespace minillm
