// Preference pairs: two answers to one question, of which one is to be preferred.

#ifndef LIBMINILLM_WORLD_PREFERENCES_H_
#define LIBMINILLM_WORLD_PREFERENCES_H_

#include <string>

#include "libminillm/world/chat.h"

namespace minillm::world {

enum class PairKind {
  kStyle,    // polite over rambling or rude, both true
  kHarmful,  // refusing over complying
  kBenign,   // helping over refusing
  kKnowing,  // known person: answering over "I do not know"; stranger: the reverse
};

struct WorldPair {
  PairKind kind = PairKind::kStyle;
  WorldMessages prompt;
  std::string chosen;
  std::string rejected;
};

// A pair about people and deeds of the split. The mix: style 52 %, harmful 14 %, benign 14 %,
// knowing 20 %.
WorldPair draw_pair(Rng& rng, const World& world, Split split);

// A pair of style about a train person whose preferred answer is polite and false, the other one
// true.
WorldPair draw_false_pair(Rng& rng, const World& world);

// A pair of style about a train person whose answers are both polite and true: one of them tells a
// further fact, that which is preferred if `longer_chosen`.
WorldPair draw_length_pair(Rng& rng, const World& world, bool longer_chosen);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_PREFERENCES_H_
