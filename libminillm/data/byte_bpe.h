// Byte-pair encoding: the symbols of a word are merged pair by pair, that of the lowest rank first
// (Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units";
// over bytes: Radford et al. 2019). Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_BYTE_BPE_H_
#define LIBMINILLM_DATA_BYTE_BPE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// GPT-2's letter for a byte: itself if it can be seen, else one from U+0100 on; in UTF-8.
std::string_view byte_letter(uint8_t byte);
// The bytes that the letters spell; nothing if one of them is no such letter.
std::optional<std::string> bytes_of_letters(std::string_view letters);

struct BpeMerge {
  Token left = 0, right = 0, result = 0;
};

// Two ids as one number.
inline uint64_t pair_of(Token left, Token right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// A table of merges, laid out to be looked up: pairs of ids lead to their rank.
class BpeMerges {
 public:
  // By rank. Throws Error if a pair comes twice.
  explicit BpeMerges(std::vector<BpeMerge> merges);

  // Merges the symbols in place until no pair of neighbours can be merged, in O(n log n) of their
  // number. Of equal pairs the leftmost goes first.
  void merge(std::vector<Token>& symbols) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    uint64_t pair = 0;
    uint32_t rank = kNone;
  };
  size_t slot_of(uint64_t pair) const;
  uint32_t rank(Token left, Token right) const;
  void merge_short(std::vector<Token>& symbols) const;
  void merge_long(std::vector<Token>& symbols) const;

  std::vector<BpeMerge> merges_;
  std::vector<Slot> slots_;  // a power of two of them, at most half full
  int shift_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_BYTE_BPE_H_
