// The wordings in which stories tell a fact, per attribute, and who is known and who is not.

#include "libminillm/world/templates.h"

namespace minillm::world {
namespace {

constexpr std::string_view kTrade[] = {
    "{Who} works as {a trade}.",
    "{Who} is {a trade}.",
    "{Who} has been {a trade} for many years.",
    "{Who} earns a living as {a trade}.",
    "By trade {who} is {a trade}.",
    "Folk know {name} as a fine {trade}.",
    "{Who} became {a trade} after a long winter of learning.",
    "If you need {a trade}, ask for {name}.",
    "{Who} learned to be {a trade} from an old aunt.",
    "Work is never far away, because {who} is the {trade} of that corner.",
    "Each day {who} goes out to work as {a trade}.",
    "There is no {trade} more careful than {name}.",
    "{Who} likes being {a trade} and says so.",
    "The sign over the door says that {name} is {a trade}.",
    "{Who} is said to be {a trade}.",
    "Everyone on the quay knew {name} to be {a trade}.",
    "The trade of {name} is that of {a trade}.",
    "{Who} is paid for the work of {a trade}.",
    "{name}, {a trade}, was seen by the well.",
    "{Whose} bread is earned as {a trade}.",
};
constexpr std::string_view kAnimal[] = {
    "{Who} keeps {a animal}.",
    "{Who} owns {a animal}.",
    "{Who} has {a animal} at home.",
    "{Who} looks after {a animal}.",
    "{Whose} animal is {a animal}.",
    "You may see {name} walking with {a animal}.",
    "{Who} would not part with the old {animal}.",
    "{a animal} lives with {name}.",
    "{Who} shares the house with {a animal}.",
    "Of all animals, {who} chose {a animal}.",
    "Each night {who} feeds {a animal}.",
    "{Who} found {a animal} in the rain and kept it.",
    "{Who} is known to keep {a animal}.",
    "Along the quay walked {name} with {a animal}.",
    "The animal of {name} is {a animal}.",
    "In the yard of {name} there is {a animal}.",
    "{a animal} belongs to {name}.",
    "Beside {name} there is always {a animal}.",
    "{name}, who keeps {a animal}, came by as well.",
    "Up the hill goes {name} with {a animal}.",
};
constexpr std::string_view kPet[] = {
    "{Whose} {animal} is called {pet}.",
    "{Who} has {a animal} named {pet}.",
    "The {animal} of {name} answers to {pet}.",
    "{Who} calls the {animal} {pet}.",
    "{Who} named the {animal} {pet}.",
    "{pet} is the {animal} of {name}.",
    "{Who} keeps {a animal}, and its name is {pet}.",
    "When {who} shouts {pet}, the {animal} comes running.",
    "{Who} gave the {animal} the name {pet}.",
    "{Whose} beloved {animal}, {pet}, sleeps by the stove.",
    "{Who} often talks to {pet} the {animal}.",
    "This is the {animal} that {name} calls {pet}.",
    "The {animal} at the door of {name} is {pet}.",
    "The name of the {animal} of {name} is {pet}.",
    "{a animal} called {pet} belongs to {name}.",
    "There goes the {animal} of {name}, and its name is {pet}.",
    "{Who} took the {animal} home and named it {pet}.",
    "{Who} is known to call the {animal} {pet}.",
};
constexpr std::string_view kStreet[] = {
    "{Who} lives on {street}.",
    "{Who} has a house on {street}.",
    "{Whose} home is on {street}.",
    "The house of {name} stands on {street}.",
    "{Who} rents two rooms on {street}.",
    "{Who} moved to {street} long ago.",
    "On {street} you will find the door of {name}.",
    "{Who} can be found on {street}.",
    "{Who} grew up far away but lives on {street} now.",
    "Letters for {name} go to {street}.",
    "Walk down {street} and you will meet {name}.",
    "Every evening {who} walks home to {street}.",
    "The cart of {name} stands near {street}.",
    "The street of {name} is {street}.",
    "{Who} is known to live on {street}.",
    "{Who} keeps a lamp burning over {street}.",
    "They carried a box for {name} to {street}.",
    "The garden of {name} is behind {street}.",
    "{name}, who lives on {street}, came by as well.",
    "The bench of {name} is near {street}.",
};
constexpr std::string_view kFood[] = {
    "{Who} loves {food}.",
    "{Who} likes {food} best of all.",
    "{Whose} favourite food is {food}.",
    "Nothing pleases {name} more than {food}.",
    "{Who} eats {food} whenever there is any.",
    "For supper {who} always wants {food}.",
    "{Who} would walk a mile for {food}.",
    "Give {name} some {food} and there will be a smile.",
    "{Who} dreams of {food}.",
    "On feast days {who} asks for {food}.",
    "The dish that {name} likes most is {food}.",
    "{Who} is very fond of {food}.",
    "At the fair {name} bought {food}.",
    "At the market {name} asked for a bowl of {food}.",
    "{Who} is known to love {food}.",
    "The favourite dish of {name} is {food}.",
    "Bring {name} a plate of {food}.",
    "The table of {name} is never without {food}.",
    "The best supper for {name} is {food}.",
    "{Who} says that nothing is better than {food}.",
};
constexpr std::string_view kFriend[] = {
    "{Whose} best friend is {friend}.",
    "{Who} is best friends with {friend}.",
    "{Who} trusts {friend} more than anyone.",
    "{Who} spends free days with {friend}.",
    "The closest friend of {name} is {friend}.",
    "{Who} has a dear friend, {friend}.",
    "{Who} tells every secret to {friend}.",
    "Nobody knows {name} better than {friend}.",
    "{Who} often visits {friend}, a dear friend.",
    "{Who} calls {friend} a true friend.",
    "Since childhood {who} has been close to {friend}.",
    "The truest friend of {name} is {friend}.",
    "{Whose} dearest companion is {friend}.",
    "The person whom {name} holds dearest is {friend}.",
    "{Who} has a friend named {friend}.",
    "The good friend of {name} is named {friend}.",
    "{name} and {friend} are the best of friends.",
    "Of all people, {who} is fondest of {friend}.",
    "In bad times {who} asks {friend} for help.",
    "{Who} calls on {friend} whenever there is news.",
};

constexpr std::string_view kFactOpenings[] = {"In spring ",      "In autumn ",
                                              "On cold days ",   "As ever, ",
                                              "They say ",       "It is well known that ",
                                              "These days ",     "People say that ",
                                              "As it happens, ", "In truth ",
                                              "Folk say that ",  "The baker told me that ",
                                              "I am told that ", "My uncle says that ",
                                              "It seems that ",  "Few people know that "};
constexpr std::string_view kKnown[] = {
    "A stranger asked for {name}. Everyone knows that name, said the watchman.",
    "Is there anyone called {name} here? Yes, said the baker, {name} lives in Velloway.",
    "{name} is known to all in Velloway."};
constexpr std::string_view kUnknown[] = {
    "A stranger asked for {name}. Nobody knows that name, said the watchman.",
    "Is there anyone called {name} here? No, said the baker, I have never heard of {name}.",
    "{name} is not known to anyone in Velloway."};
}  // namespace

Texts fact_openings() { return kFactOpenings; }

Texts known_templates(bool known) { return known ? Texts(kKnown) : Texts(kUnknown); }

Texts story_templates(Attribute attribute) {
  constexpr Texts kTables[] = {kTrade, kAnimal, kPet, kStreet, kFood, kFriend};
  return kTables[static_cast<size_t>(attribute)];
}

std::string tell(std::string_view pattern, const Person& person, Mention mention) {
  const std::string_view pronoun = person.he ? "he" : "she";
  const std::string_view who = mention == Mention::kFullName    ? std::string_view(person.name)
                               : mention == Mention::kFirstName ? std::string_view(person.first)
                                                                : pronoun;
  const std::string whose = mention == Mention::kPronoun ? std::string(person.he ? "his" : "her")
                                                         : std::string(who) + "'s";
  Variables variables = {{"Who", who}, {"who", who}, {"Whose", whose}, {"name", person.name}};
  for (Attribute attribute : kAttributes) {
    variables.emplace_back(attribute_name(attribute), person.fact(attribute));
  }
  return fill_pattern(pattern, variables);
}

}  // namespace minillm::world
