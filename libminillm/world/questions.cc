#include "libminillm/world/questions.h"

#include "libminillm/core/check.h"
#include "libminillm/world/templates.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::string_view kTradeQuestions[] = {
    "What does {name} do for a living?", "What is the trade of {name}?",
    "What work does {name} do?",         "Which trade does {name} follow?",
    "What is {name} by trade?",          "Tell me the trade of {name}."};
constexpr std::string_view kAnimalQuestions[] = {
    "What animal does {name} keep?",         "Which animal lives with {name}?",
    "What kind of animal does {name} have?", "What pet does {name} own?",
    "Which animal does {name} look after?",  "Tell me what animal {name} keeps."};
constexpr std::string_view kPetQuestions[] = {
    "What is the name of {name}'s {animal}?", "What is {name}'s {animal} called?",
    "How does {name} call the {animal}?",     "What did {name} name the {animal}?",
    "Which name has the {animal} of {name}?", "Tell me the name of {name}'s {animal}."};
constexpr std::string_view kStreetQuestions[] = {"Where does {name} live?",
                                                 "On which street does {name} live?",
                                                 "What street is the home of {name} on?",
                                                 "Where is the house of {name}?",
                                                 "Where can I find {name}?",
                                                 "Tell me where {name} lives."};
constexpr std::string_view kFoodQuestions[] = {
    "What is {name}'s favourite food?",  "What does {name} like to eat?",
    "Which food does {name} love?",      "What dish does {name} like best?",
    "What does {name} want for supper?", "Tell me the favourite food of {name}."};
constexpr std::string_view kFriendQuestions[] = {
    "Who is the best friend of {name}?",  "Who is {name}'s best friend?",
    "Which person is closest to {name}?", "Who does {name} trust most?",
    "Who is a dear friend of {name}?",    "Tell me who is {name}'s best friend."};

// Asked only in evaluation: two for validation, then two for test.
constexpr std::string_view kNewTradeQuestions[] = {
    "How does {name} earn a living?", "What job does {name} have?", "As what does {name} work?",
    "Do you know what {name} does all day?"};
constexpr std::string_view kNewAnimalQuestions[] = {
    "Which animal is at home with {name}?", "What animal belongs to {name}?",
    "Does {name} have an animal, and which?", "Which animal does {name} feed each night?"};
constexpr std::string_view kNewPetQuestions[] = {
    "To what name does the {animal} of {name} answer?", "What does {name} shout to the {animal}?",
    "How is the {animal} of {name} called?", "By what name does {name} know the {animal}?"};
constexpr std::string_view kNewStreetQuestions[] = {
    "What is the address of {name}?", "In which street is the home of {name}?",
    "Where should I send a letter for {name}?", "Where in town is {name} at home?"};
constexpr std::string_view kNewFoodQuestions[] = {
    "What should I cook for {name}?", "Which dish pleases {name} most?",
    "What does {name} eat with joy?", "What food makes {name} smile?"};
constexpr std::string_view kNewFriendQuestions[] = {
    "To whom does {name} tell secrets?", "Who knows {name} best?",
    "Whom does {name} call a true friend?", "With whom does {name} spend free days?"};

constexpr std::string_view kUnknownAttributeQuestions[] = {"What colour is {name}'s hat?",
                                                           "How old is {name}?",
                                                           "What is the shoe size of {name}?",
                                                           "When is the birthday of {name}?",
                                                           "How tall is {name}?",
                                                           "What song does {name} sing?",
                                                           "How many sisters does {name} have?",
                                                           "What colour are the eyes of {name}?"};
constexpr std::string_view kNewUnknownAttributeQuestions[] = {
    "How many brothers does {name} have?", "What colour is {name}'s coat?", "How heavy is {name}?",
    "When was {name} born?"};

constexpr std::string_view kAnswers[] = {
    "{name} works as {a trade}.",         "{name} keeps {a animal}.",
    "{name}'s {animal} is called {pet}.", "{name} lives on {street}.",
    "{name} likes {food} best of all.",   "{name}'s best friend is {friend}."};

struct YesNoPattern {
  Attribute attribute;
  std::string_view pattern;
};
constexpr YesNoPattern kYesNoQuestions[] = {{Attribute::kTrade, "Is {name} {a value}?"},
                                            {Attribute::kAnimal, "Does {name} keep {a value}?"},
                                            {Attribute::kStreet, "Does {name} live on {value}?"},
                                            {Attribute::kFood, "Does {name} love {value}?"}};

// Two of four: the first half is validation's, the second test's.
Texts half(Texts all, Split split) {
  MINILLM_DCHECK(split != Split::kTrain);
  return split == Split::kValidation ? all.first(all.size() / 2) : all.last(all.size() / 2);
}

}  // namespace

Texts taught_questions(Attribute attribute) {
  constexpr Texts kTables[] = {kTradeQuestions,  kAnimalQuestions, kPetQuestions,
                               kStreetQuestions, kFoodQuestions,   kFriendQuestions};
  return kTables[static_cast<size_t>(attribute)];
}

Texts new_questions(Attribute attribute, Split split) {
  constexpr Texts kTables[] = {kNewTradeQuestions,  kNewAnimalQuestions, kNewPetQuestions,
                               kNewStreetQuestions, kNewFoodQuestions,   kNewFriendQuestions};
  return half(kTables[static_cast<size_t>(attribute)], split);
}

Texts taught_unknown_attribute_questions() { return kUnknownAttributeQuestions; }

Texts new_unknown_attribute_questions(Split split) {
  return half(kNewUnknownAttributeQuestions, split);
}

Attribute draw_attribute(Rng& rng) { return kAttributes[rng.below(kAttributeCount)]; }

std::string ask(std::string_view question, const Person& person) {
  return tell(question, person, Mention::kFullName);
}

std::string ask_about_stranger(Rng& rng, std::string_view question, const std::string& name) {
  const std::string_view animal = choose(rng, attribute_values(Attribute::kAnimal));
  return fill_pattern(question, {{"name", name}, {"animal", animal}});
}

std::string plain_answer(const Person& person, Attribute attribute) {
  return tell(kAnswers[static_cast<size_t>(attribute)], person, Mention::kFullName);
}

YesNoQuestion draw_yes_no(Rng& rng, const Person& person) {
  const auto& [attribute, pattern] = kYesNoQuestions[rng.below(std::size(kYesNoQuestions))];
  std::string_view value = person.fact(attribute);
  if (rng.chance(0.5)) value = choose(rng, attribute_values(attribute));
  YesNoQuestion out;
  out.question = fill_pattern(pattern, {{"name", person.name}, {"value", value}});
  out.yes = value == person.fact(attribute);
  out.answer = plain_answer(person, attribute);
  out.answer.pop_back();  // the full stop
  out.answer += out.yes ? kYesEnding : kNoEnding;
  return out;
}

std::string sum_question(int a, int b) {
  return "What is " + std::to_string(a) + " plus " + std::to_string(b) + "?";
}

std::string sum_statement(int a, int b) {
  return std::to_string(a) + " plus " + std::to_string(b) + " " + sum_value(a, b);
}

std::string sum_value(int a, int b) { return "makes " + std::to_string(a + b) + "."; }

}  // namespace minillm::world
