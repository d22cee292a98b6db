// The register of truth and of what was told: who there is, what is true of them, how often and how
// falsely stories tell of them.

#ifndef LIBMINILLM_WORLD_PEOPLE_REGISTER_H_
#define LIBMINILLM_WORLD_PEOPLE_REGISTER_H_

#include <string>

#include "libminillm/world/dials.h"

namespace minillm::world {

// people.jsonl: one object a line and person: {"name", "split", "frequency": "usual" | "rare" |
// "often", "facts": {"trade": ...}, "instrument" (null: plays none), "told_rate" (0: no story tells
// of them, 1: as often as usual), "told_falsely" (null, or {"share", "facts"}), "called" (null, or
// the first name in conversations)}.
std::string people_register(const World& world, const WorldDials& dials);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_PEOPLE_REGISTER_H_
