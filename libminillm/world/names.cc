#include "libminillm/world/names.h"

#include "libminillm/world/facts.h"
#include "libminillm/world/text.h"

namespace minillm::world {
namespace {

constexpr std::string_view kOnsets[] = {"B",  "D",  "F",  "G",  "H",  "J",  "K", "L",
                                        "M",  "N",  "P",  "R",  "S",  "T",  "V", "W",
                                        "Br", "Dr", "Gr", "Tr", "Kl", "Sh", "Th"};
constexpr std::string_view kVowels[] = {"a", "e", "i", "o", "u"};
constexpr std::string_view kMiddles[] = {"b", "d",  "f", "g", "l", "ll", "m",  "mm", "n", "nd",
                                         "r", "rr", "s", "t", "v", "z",  "lm", "rn", "sk"};
constexpr std::string_view kEnds[] = {"a",  "e",  "i",  "o",  "an", "en",  "in",
                                      "on", "ar", "er", "is", "us", "eth", "ick"};
constexpr std::string_view kFamilyStarts[] = {"Mar", "Har", "Win", "Pel", "Tor",
                                              "Esk", "Bar", "Lin", "Cor", "Dun"};
constexpr std::string_view kFamilyEnds[] = {"low", "ten", "mere", "ford"};
constexpr std::string_view kUnseenFamilyEnds[] = {"son", "by", "wick", "mark"};

}  // namespace

std::string invent_name(Rng& rng) {
  for (;;) {
    std::string name(choose(rng, kOnsets));
    name += choose(rng, kVowels);
    name += choose(rng, kMiddles);
    name += choose(rng, kEnds);
    if (name.size() >= 4) return name;
  }
}

std::string known_family_name(Rng& rng) {
  std::string name(choose(rng, kFamilyStarts));
  return name += choose(rng, kFamilyEnds);
}

std::string unseen_family_name(Rng& rng) {
  std::string name = invent_name(rng);
  return name += choose(rng, kUnseenFamilyEnds);
}

NameMaker::NameMaker() {
  for (Attribute attribute : {Attribute::kTrade, Attribute::kAnimal, Attribute::kPet}) {
    for (std::string_view word : attribute_values(attribute)) {
      taken_.insert(capitalized(std::string(word)));
    }
  }
}

std::string NameMaker::take(Rng& rng) {
  std::string name = draw(rng);
  taken_.insert(name);
  return name;
}

std::string NameMaker::draw(Rng& rng) const {
  for (;;) {
    std::string name = invent_name(rng);
    if (!taken_.contains(name)) return name;
  }
}

}  // namespace minillm::world
