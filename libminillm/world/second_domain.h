// The second domain, for continued pretraining: the harbour register of the island of Skerrow.
//
// Another place in another style: ships with a kind, a cargo, a home port and a master. A quarter
// of its documents bring late news from Velloway: which instrument some of its people play. Nothing
// of this is in the first corpus, so a model must not know it before, and should afterwards.

#ifndef LIBMINILLM_WORLD_SECOND_DOMAIN_H_
#define LIBMINILLM_WORLD_SECOND_DOMAIN_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/people.h"

namespace minillm::world {

struct Ship {
  std::string name;    // "the Grey Heron"
  std::string kind;    // "brig"
  std::string cargo;   // "salt"
  std::string port;    // "Osmund Bay"
  std::string master;  // "Tavel Kirness"
};

class HarbourRegister {
 public:
  // 60 ships of the world's seed.
  explicit HarbourRegister(const World& world);
  const std::vector<Ship>& ships() const { return ships_; }
  // An entry of the register, or news from Velloway.
  std::string write_document(Rng& rng) const;

 private:
  std::string tell_news(Rng& rng) const;

  std::vector<Ship> ships_;
  std::vector<const Person*> players_;  // people whose instrument is told
};

// A sentence of the news from Velloway: who plays what. REQUIRES that player.instrument is not
// empty.
std::string write_news(Rng& rng, const Person& player);

// A cloze prompt of the second domain: `answer`, with its leading space, is to follow `prefix`.
struct LateFact {
  std::string prefix;
  std::string answer;
  std::string_view what;  // "kind", "cargo", "port", "master", "instrument"
};
// Prompts about the ship, in wordings that no document has.
std::vector<LateFact> ship_prompts(const Ship& ship);
// Prompts about the instrument. REQUIRES that person.instrument is not empty.
std::vector<LateFact> instrument_prompts(const Person& person);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_SECOND_DOMAIN_H_
