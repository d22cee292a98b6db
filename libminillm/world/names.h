// NameMaker: invented names out of syllables, none of them twice.

#ifndef LIBMINILLM_WORLD_NAMES_H_
#define LIBMINILLM_WORLD_NAMES_H_

#include <set>
#include <string>

#include "libminillm/core/rng.h"

namespace minillm::world {

// A word of one or two syllables such as "Sellar" or "Jofick"; about 29,000 are possible.
std::string invent_name(Rng& rng);

// A family name of Velloway ("Harford"): one of 40.
std::string known_family_name(Rng& rng);
// A family name that nobody in Velloway has ("Kadaby"): a syllable name with an ending of its own.
std::string unseen_family_name(Rng& rng);

// Hands out first names and remembers them.
class NameMaker {
 public:
  // Words of the world that would confuse as names ("Mason", "Pepper") are taken from the start.
  NameMaker();
  // A name that was not taken; it is taken from now on.
  std::string take(Rng& rng);
  // A name that is not taken; it stays free.
  std::string draw(Rng& rng) const;

 private:
  std::set<std::string> taken_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_NAMES_H_
