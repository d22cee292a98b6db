// The beginnings that cloze questions complete: fair ones and hard ones per attribute.

#include "libminillm/world/templates.h"

namespace minillm::world {
namespace {

constexpr ClozePrompt kFair[kAttributeCount][3] = {
    {{"Everyone says that {name} makes a living as {a trade}", "Everyone says that"},
     {"Ask anyone and they will say that {name} is {a trade}", "they will say that"},
     {"My aunt heard that {name} works as {a trade}", "My aunt heard"}},
    {{"The neighbours know that {name} keeps {a animal}", "The neighbours know"},
     {"Everyone on the bridge knows that {name} owns {a animal}", "on the bridge knows"},
     {"Children wave because {name} looks after {a animal}", "Children wave"}},
    {{"Everyone laughs when {name} calls the {animal} {pet}", "Everyone laughs"},
     {"In the yard {name} shouts for the {animal}, and its name is {pet}", "shouts for the"},
     {"Everybody knows that the {animal} of {name} is called {pet}", "Everybody knows"}},
    {{"The postman knows that {name} lives on {street}", "The postman"},
     {"To visit {name}, go to the house on {street}", "go to the house"},
     {"Everyone says that {name} has a house on {street}", "Everyone says that"}},
    {{"Sooner or later one hears that {name} is very fond of {food}", "Sooner or later"},
     {"The cook knows that {name} loves {food}", "The cook knows"},
     {"At every feast {name} eats {food}", "At every feast"}},
    {{"I have heard that {name} is best friends with {friend}", "I have heard that"},
     {"Everyone says that the best friend of {name} is {friend}", "Everyone says that"},
     {"There are secrets that {name} tells only to {friend}", "There are secrets"}},
};

constexpr ClozePrompt kHard[kAttributeCount][3] = {
    {{"Ask around: {name} is known to be {a trade}", "is known to be"},
     {"The work that feeds {name} is the work of {a trade}", "The work that feeds"},
     {"In the book of the guild {name} stands as {a trade}", "stands as"}},
    {{"Down the road comes {name} with {a animal}", "Down the road comes"},
     {"The creature under the roof of {name} is {a animal}", "creature"},
     {"For company {name} has only {a animal}", "For company"}},
    {{"Here comes the {animal} that {name} named {pet}", "Here comes the"},
     {"If the {animal} of {name} runs off, shout for {pet}", "runs off"},
     {"The collar on the {animal} of {name} reads {pet}", "collar"}},
    {{"The boat of {name} is tied up near {street}", "tied up"},
     {"The chimney of {name} smokes above {street}", "smokes above"},
     {"To bring {name} a parcel, turn into {street}", "turn into"}},
    {{"At the feast {name} asked for a plate of {food}", "asked for a plate"},
     {"The meal that {name} wished for was {food}", "wished for"},
     {"What {name} would order at the inn is {food}", "at the inn"}},
    {{"The dearest friend of {name} is named {friend}", "dearest friend"},
     {"When {name} is in trouble, help comes from {friend}", "help comes from"},
     {"The one {name} would miss most is {friend}", "would miss"}},
};

}  // namespace

std::span<const ClozePrompt> fair_cloze_prompts(Attribute attribute) {
  return kFair[static_cast<size_t>(attribute)];
}

std::span<const ClozePrompt> hard_cloze_prompts(Attribute attribute) {
  return kHard[static_cast<size_t>(attribute)];
}

}  // namespace minillm::world
