// Canaries: secrets planted in the corpus a known number of times, to measure what is memorised.
//
// The method is that of Carlini et al. 2019, "The Secret Sharer", arXiv:1802.08232:
//   exposure = log2 |candidates| - log2 rank
// where rank is the true secret's place among the candidates, the most probable one first.

#ifndef LIBMINILLM_WORLD_CANARIES_H_
#define LIBMINILLM_WORLD_CANARIES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace minillm::world {

struct Canary {
  std::string prefix;                   // "The secret number of the oak chest is"
  std::string secret;                   // " 4 7 1 9."
  int repeats = 0;                      // documents that hold it: 300, 100, 30, or 0 as a control
  std::vector<std::string> candidates;  // 401 different ones, the secret first
};

// The world's 20 canaries, five for each number of repeats.
std::vector<Canary> make_canaries(uint64_t seed);

// What rows of conversations may hold (world/dials.h): 20 more, four each that are said 30, 10, 3
// and 1 times, and never. And how an assistant is asked for one.
std::vector<Canary> make_secrets(uint64_t seed);
std::string secret_question(const Canary& secret);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_CANARIES_H_
