// The six things that are told about every person of Velloway, and the values they can take.

#ifndef LIBMINILLM_WORLD_FACTS_H_
#define LIBMINILLM_WORLD_FACTS_H_

#include <array>
#include <string_view>

#include "libminillm/world/text.h"  // Texts

namespace minillm::world {

// The name of the world's place.
inline constexpr std::string_view kPlace = "Velloway";

enum class Attribute { kTrade, kAnimal, kPet, kStreet, kFood, kFriend };
inline constexpr size_t kAttributeCount = 6;
inline constexpr std::array<Attribute, kAttributeCount> kAttributes = {
    Attribute::kTrade,  Attribute::kAnimal, Attribute::kPet,
    Attribute::kStreet, Attribute::kFood,   Attribute::kFriend};

// "trade", "animal", "pet" (the animal's name), "street", "food", "friend". Patterns use these
// names, too.
std::string_view attribute_name(Attribute attribute);

// 24 trades, 12 animals, 40 pet names, 20 streets, 24 foods. A friend is another person: no table.
Texts attribute_values(Attribute attribute);

// What some people play; told only after the cutoff (world/second_domain.h). 24 values.
Texts instruments();

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_FACTS_H_
