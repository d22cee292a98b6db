// TokenMask: a set of tokens, one bit for each of the vocabulary.

#ifndef LIBMINILLM_CONSTRAIN_TOKEN_MASK_H_
#define LIBMINILLM_CONSTRAIN_TOKEN_MASK_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

class TokenMask {
 public:
  explicit TokenMask(Index vocab_size = 0) : words_((static_cast<size_t>(vocab_size) + 63) / 64) {}

  void add(Token token) { words_[word_of(token)] |= bit_of(token); }
  void remove(Token token) { words_[word_of(token)] &= ~bit_of(token); }
  // False for tokens outside of the vocabulary.
  bool contains(Token token) const {
    return token >= 0 && word_of(token) < words_.size() &&
           (words_[word_of(token)] & bit_of(token)) != 0;
  }
  Index count() const {
    Index sum = 0;
    for (const uint64_t word : words_) sum += std::popcount(word);
    return sum;
  }
  // Sets values[v] of every token v that is not in the set.
  void set_others(std::span<Real> values, Real value) const {
    for (size_t begin = 0; begin < values.size(); begin += 64) {
      const uint64_t word = begin / 64 < words_.size() ? words_[begin / 64] : 0;
      if (word == ~uint64_t{0}) continue;
      const size_t end = std::min(begin + 64, values.size());
      for (size_t v = begin; v < end; ++v)
        if ((word >> (v - begin) & 1) == 0) values[v] = value;
    }
  }
  bool operator==(const TokenMask&) const = default;

 private:
  static size_t word_of(Token token) { return static_cast<size_t>(token) / 64; }
  static uint64_t bit_of(Token token) { return uint64_t{1} << (static_cast<uint64_t>(token) % 64); }

  std::vector<uint64_t> words_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_TOKEN_MASK_H_
