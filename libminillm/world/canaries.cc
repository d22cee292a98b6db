#include "libminillm/world/canaries.h"

#include <algorithm>

#include "libminillm/world/people.h"

namespace minillm::world {
namespace {

constexpr std::string_view kMaterials[] = {
    "oak", "iron", "silver", "blue", "stone", "reed", "glass", "brass", "pine", "red",
    "elm", "tin",  "gold",   "grey", "clay",  "horn", "bone",  "lead",  "ash",  "wool"};
constexpr int kRepeats[] = {300, 100, 30, 0};
constexpr size_t kCandidates = 401;

std::string draw_number(Rng& rng) {
  std::string number;
  for (int digit = 0; digit < 4; ++digit) {
    number += ' ';
    number += static_cast<char>('0' + rng.below(10));
  }
  return number + ".";
}

}  // namespace

std::vector<Canary> make_canaries(uint64_t seed) {
  Rng rng = world_rng(seed, WorldStream::kCanaries);
  std::vector<Canary> canaries;
  for (size_t i = 0; i < std::size(kMaterials); ++i) {
    Canary canary;
    canary.prefix = "The secret number of the " + std::string(kMaterials[i]) + " chest is";
    canary.secret = draw_number(rng);
    canary.repeats = kRepeats[i % std::size(kRepeats)];
    canary.candidates = {canary.secret};
    while (canary.candidates.size() < kCandidates) {
      const std::string number = draw_number(rng);
      const auto& seen = canary.candidates;
      if (std::find(seen.begin(), seen.end(), number) == seen.end()) {
        canary.candidates.push_back(number);
      }
    }
    canaries.push_back(std::move(canary));
  }
  return canaries;
}

}  // namespace minillm::world
