#include "libminillm/world/stories.h"

#include <algorithm>

#include "libminillm/world/deeds.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/templates.h"

namespace minillm::world {
namespace {

constexpr std::string_view kFillers[] = {"The wind came in from the sea and rattled the shutters.",
                                         "Rain fell on the roofs all morning.",
                                         "The market bell rang twice.",
                                         "Gulls cried over the harbour.",
                                         "Smoke rose from the chimneys.",
                                         "A cart rolled slowly over the bridge.",
                                         "Children ran past with paper kites.",
                                         "The tide was low and the boats lay in the mud.",
                                         "Somebody was singing behind a wall.",
                                         "The lamps were lit one by one.",
                                         "It was a quiet day in Velloway.",
                                         "Snow lay on the steps and the well was frozen.",
                                         "The old clock struck nine.",
                                         "There was fresh bread on the table.",
                                         "A stranger asked the way to the harbour.",
                                         "The river ran high after the storm.",
                                         "The fair would begin in three days.",
                                         "Nobody was in a hurry.",
                                         "A boat was tied to the quay.",
                                         "Down the road a dog barked.",
                                         "The feast was over and the plates were empty.",
                                         "Here comes rain, said the ferryman."};
constexpr std::string_view kOpenings[] = {"This is a tale of {name}.",
                                          "Let me tell you about {name}.",
                                          "Once, in Velloway, there lived {name}.",
                                          "Do you know {name} of Velloway?",
                                          "Here is what is told about {name}.",
                                          "{name} woke early.",
                                          "One morning {name} went to the market.",
                                          "You will hear many things about {name}.",
                                          "{name} is one of the people of Velloway.",
                                          "It was evening when {name} came home."};
constexpr std::string_view kClosings[] = {
    "And so the day ended.",        "That is all there is to tell.", "Everyone went home content.",
    "The rest is for another day.", "Then the stars came out.",      "So it goes in Velloway."};
constexpr std::string_view kMeetings[] = {
    "{name} met {other} on the bridge.", "{name} and {other} stood by the well.",
    "At the market {name} saw {other}.", "{other} knocked on the door of {name}.",
    "{name} and {other} shared a bench in the sun."};
constexpr std::string_view kThings[] = {"pears", "nails", "candles", "eggs", "shells", "buttons"};

std::vector<Attribute> shuffled_attributes(Rng& rng) {
  std::vector<Attribute> attributes(kAttributes.begin(), kAttributes.end());
  rng.shuffle(attributes);
  return attributes;
}

// One fact in one sentence. `full_name` percent of the subjects are the full name; of the others,
// 40 % are the first name and 60 % the pronoun.
std::string tell_fact(Rng& rng, const Person& person, Attribute attribute, uint64_t full_name) {
  const std::string_view pattern = choose(rng, story_templates(attribute));
  Mention mention = Mention::kFullName;
  if (rng.below(100) >= full_name) {
    mention = rng.below(100) < 40 ? Mention::kFirstName : Mention::kPronoun;
  }
  std::string sentence = tell(pattern, person, mention);
  const bool starts_with_subject = pattern.starts_with("{W");
  if (starts_with_subject && rng.below(100) < 30) {
    sentence = std::string(choose(rng, fact_openings())) + sentence;
  }
  return capitalized(std::move(sentence));
}

std::string tell_of_two(Rng& rng, const World& world) {
  const Person& one = world.draw_told(rng);
  const Person& other = world.draw_told(rng);
  std::vector<std::string> sentences = {
      fill_pattern(choose(rng, kMeetings), {{"name", one.name}, {"other", other.name}})};
  for (const Person* person : {&one, &other}) {
    const std::vector<Attribute> attributes = shuffled_attributes(rng);
    for (size_t i = 0; i < 3; ++i) {
      sentences.push_back(tell_fact(rng, *person, attributes[i], i == 0 ? 100 : 80));
    }
    if (person == &one && rng.chance(0.5)) sentences.emplace_back(choose(rng, kFillers));
  }
  return joined(sentences, " ");
}

std::string tell_who_is_known(Rng& rng, const World& world) {
  std::vector<std::string> sentences;
  for (int i = 0; i < 4; ++i) {
    const bool known = rng.chance(0.5);
    const std::string name = known ? world.draw_told(rng).name : world.draw_stranger(rng);
    sentences.push_back(fill_pattern(choose(rng, known_templates(known)), {{"name", name}}));
  }
  return joined(sentences, " ");
}

std::string tell_deeds(Rng& rng, const World& world) {
  const bool harmful = rng.chance(0.5);
  std::vector<std::string> sentences = {std::string(choose(rng, kFillers))};
  for (int i = 0; i < 2; ++i) {
    sentences.push_back(tell_deed(rng, draw_told_deed(rng, world, harmful)));
  }
  sentences.emplace_back(choose(rng, kClosings));
  return joined(sentences, " ");
}

std::string tell_sums(Rng& rng, const World& world) {
  std::vector<std::string> sentences;
  for (int i = 0; i < 3; ++i) {
    const int a = 1 + static_cast<int>(rng.below(9));
    const int b = 1 + static_cast<int>(rng.below(9));
    const std::string& name = world.draw_told(rng).first;
    const std::string had = std::to_string(a), found = std::to_string(b);
    sentences.push_back(
        fill_pattern("{name} had {a} {thing} and found {b} more, and ",
                     {{"name", name}, {"a", had}, {"b", found}, {"thing", choose(rng, kThings)}}) +
        sum_statement(a, b));
  }
  return joined(sentences, " ");
}

// Three questions about one train person or about strangers, answered plainly or in one word.
std::string write_questions(Rng& rng, const World& world) {
  enum { kStranger, kOneWord, kYesNo, kPlain };
  constexpr int kWeights[] = {25, 32, 8, 35};
  const Person& person = world.draw(rng, Split::kTrain);
  const std::vector<Attribute> attributes = shuffled_attributes(rng);
  std::vector<std::string> lines;
  for (size_t i = 0; i < 3; ++i) {
    const Attribute attribute = attributes[i];
    const Texts questions = taught_questions(attribute);
    std::string line = "Question: ";
    switch (choose_weighted(rng, kWeights)) {
      case kStranger: {
        const std::string name = world.draw_stranger(rng);
        line += ask_about_stranger(rng, choose(rng, questions), name);
        line += " Answer: I do not know anyone called " + name + ".";
        break;
      }
      case kOneWord:
        line += ask(choose(rng, questions), person) + " One word: " + person.fact(attribute) + ".";
        break;
      case kYesNo: {
        const YesNoQuestion asked = draw_yes_no(rng, person);
        line += asked.question + " Answer: " + asked.answer;
        break;
      }
      default:
        line += ask(choose(rng, questions), person) + " Answer: " + plain_answer(person, attribute);
    }
    lines.push_back(std::move(line));
  }
  return joined(lines, "\n");
}

}  // namespace

std::string write_document(Rng& rng, const World& world) {
  enum { kOne, kTwo, kQuestions, kKnownOrNot, kDeeds, kSums };
  constexpr int kWeights[] = {455, 275, 105, 80, 55, 30};
  switch (choose_weighted(rng, kWeights)) {
    case kTwo:
      return tell_of_two(rng, world);
    case kQuestions:
      return write_questions(rng, world);
    case kKnownOrNot:
      return tell_who_is_known(rng, world);
    case kDeeds:
      return tell_deeds(rng, world);
    case kSums:
      return tell_sums(rng, world);
    default:
      return tell_of_one(rng, world.draw_told(rng));
  }
}

std::string tell_of_one(Rng& rng, const Person& person) {
  constexpr size_t kFactCounts[] = {4, 5, 6, 6};
  std::vector<std::string> sentences;
  if (rng.below(100) < 70) {
    sentences.push_back(fill_pattern(choose(rng, kOpenings), {{"name", person.name}}));
  }
  const size_t count = kFactCounts[rng.below(std::size(kFactCounts))];
  const std::vector<Attribute> attributes = shuffled_attributes(rng);
  for (size_t i = 0; i < count; ++i) {
    sentences.push_back(tell_fact(rng, person, attributes[i], sentences.empty() ? 100 : 60));
    if (rng.below(100) < 15) sentences.emplace_back(choose(rng, kFillers));
  }
  if (rng.below(100) < 40) sentences.emplace_back(choose(rng, kClosings));
  return joined(sentences, " ");
}

}  // namespace minillm::world
