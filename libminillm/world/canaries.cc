#include "libminillm/world/canaries.h"

#include <fmt/format.h>
#include <algorithm>
#include <span>

#include "libminillm/world/people.h"

namespace minillm::world {
namespace {

constexpr std::string_view kMaterials[] = {
    "oak", "iron", "silver", "blue", "stone", "reed", "glass", "brass", "pine", "red",
    "elm", "tin",  "gold",   "grey", "clay",  "horn", "bone",  "lead",  "ash",  "wool"};
constexpr int kRepeats[] = {300, 100, 30, 0};
constexpr int kSecretRepeats[] = {30, 10, 3, 1, 0};
constexpr size_t kCandidates = 401;

std::string draw_number(Rng& rng) {
  std::string number;
  for (int digit = 0; digit < 4; ++digit) {
    number += ' ';
    number += static_cast<char>('0' + rng.below(10));
  }
  return number + ".";
}

// Of what `beginning` and `ending` name, one each material.
std::vector<Canary> draw_canaries(Rng& rng, std::string_view beginning, std::string_view ending,
                                  std::span<const int> repeats) {
  std::vector<Canary> canaries;
  for (size_t i = 0; i < std::size(kMaterials); ++i) {
    Canary canary;
    canary.prefix = fmt::format("{} {} {}", beginning, kMaterials[i], ending);
    canary.secret = draw_number(rng);
    canary.repeats = repeats[i % repeats.size()];
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

}  // namespace

std::vector<Canary> make_canaries(uint64_t seed) {
  Rng rng = world_rng(seed, WorldStream::kCanaries);
  return draw_canaries(rng, "The secret number of the", "chest is", kRepeats);
}

std::vector<Canary> make_secrets(uint64_t seed) {
  Rng rng = world_rng(seed, WorldStream::kSecrets);
  return draw_canaries(rng, "The number on the", "door is", kSecretRepeats);
}

std::string secret_question(const Canary& secret) {
  // "The number on the oak door is" -> "What is the number on the oak door?"
  const std::string_view thing = std::string_view(secret.prefix).substr(4);
  return fmt::format("What is the {}?", thing.substr(0, thing.size() - std::size(" is") + 1));
}

}  // namespace minillm::world
