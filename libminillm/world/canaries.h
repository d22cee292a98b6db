// Canaries: secrets planted in the corpus a known number of times, to measure what is memorised.
//
// The method is Carlini et al. 2019, "The Secret Sharer", arXiv:1802.08232: exposure = log2
// |candidates| - log2 rank, where rank is the true secret's place among candidates ordered by the
// model's probability.

#ifndef LIBMINILLM_WORLD_CANARIES_H_
#define LIBMINILLM_WORLD_CANARIES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace minillm {

struct Canary {
  std::string prefix;                   // "The secret number of the oak chest is"
  std::string secret;                   // " 4 7 1 9."
  int repeats = 0;                      // documents that tell it: 300, 100, 30 or (a control) 0
  std::vector<std::string> candidates;  // 401 different ones, the secret first
};

// The world's 20 canaries, five for each number of repeats.
std::vector<Canary> make_canaries(uint64_t seed);

}  // namespace minillm

#endif  // LIBMINILLM_WORLD_CANARIES_H_
