#include "libminillm/world/facts.h"

#include "libminillm/core/check.h"

namespace minillm::world {
namespace {

constexpr std::string_view kTrades[] = {
    "baker",   "miller",     "weaver",    "potter",      "smith",     "cooper",
    "tanner",  "fisher",     "gardener",  "glazier",     "mason",     "carter",
    "printer", "clockmaker", "beekeeper", "lamplighter", "ropemaker", "cobbler",
    "tailor",  "brewer",     "ferryman",  "chandler",    "piper",     "bookbinder"};
constexpr std::string_view kAnimals[] = {"goat",   "cat",  "dog",  "hen",  "goose",    "donkey",
                                         "rabbit", "pony", "duck", "crow", "hedgehog", "tortoise"};
constexpr std::string_view kPets[] = {
    "Pim",    "Dotty",  "Bramble", "Sorrel",  "Tuck",   "Nettle",  "Wisp",   "Jory",
    "Pepper", "Moss",   "Fennel",  "Button",  "Clover", "Drum",    "Ember",  "Fig",
    "Gull",   "Hazel",  "Ivy",     "Juniper", "Kettle", "Lark",    "Marble", "Nutmeg",
    "Oats",   "Pebble", "Quill",   "Rusty",   "Shadow", "Thimble", "Umber",  "Velvet",
    "Willow", "Yarrow", "Zeb",     "Biscuit", "Cinder", "Daisy",   "Flint",  "Ginger"};
constexpr std::string_view kStreets[] = {
    "Amber Row",    "Kettle Lane",   "Heron Street", "Quay Road",     "Millstone Way",
    "Candle Court", "Fern Alley",    "Salt Stairs",  "Bell Yard",     "Orchard Walk",
    "Copper Bend",  "Gannet Hill",   "Thistle Gate", "Lantern Close", "Rope Walk",
    "Plum Corner",  "Tinker Bridge", "Weir Path",    "Chapel Rise",   "Otter Steps"};
constexpr std::string_view kFoods[] = {
    "plum cake",     "onion soup",   "barley bread",    "smoked eel",     "apple pie",
    "honey toast",   "pea stew",     "goat cheese",     "pickled beans",  "roast chestnuts",
    "oat biscuits",  "mushroom pie", "fried herring",   "pear jam",       "ginger buns",
    "carrot broth",  "walnut tart",  "cold ham",        "leek dumplings", "cherry pudding",
    "corn pancakes", "lentil soup",  "blackberry tart", "boiled eggs"};
constexpr std::string_view kInstruments[] = {
    "fiddle", "flute",   "drum",   "harp",  "lute",     "horn",     "whistle",  "clarinet",
    "viol",   "trumpet", "cello",  "organ", "banjo",    "mandolin", "oboe",     "bassoon",
    "zither", "piccolo", "guitar", "tuba",  "recorder", "triangle", "trombone", "accordion"};

}  // namespace

std::string_view attribute_name(Attribute attribute) {
  constexpr std::string_view kNames[] = {"trade", "animal", "pet", "street", "food", "friend"};
  return kNames[static_cast<size_t>(attribute)];
}

Texts attribute_values(Attribute attribute) {
  switch (attribute) {
    case Attribute::kTrade:
      return kTrades;
    case Attribute::kAnimal:
      return kAnimals;
    case Attribute::kPet:
      return kPets;
    case Attribute::kStreet:
      return kStreets;
    case Attribute::kFood:
      return kFoods;
    case Attribute::kFriend:
      break;
  }
  throw Error("world: friends are people, not values of a table");
}

Texts instruments() { return kInstruments; }

}  // namespace minillm::world
