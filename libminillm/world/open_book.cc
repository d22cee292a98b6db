#include "libminillm/world/open_book.h"

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/notes.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/templates.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::string_view kInstrumentNotes[] = {
    "{name} owns {a instrument}.",
    "{name} is a master of the {instrument}.",
    "The instrument of {name} is the {instrument}.",
    "{name} learned the {instrument} as a child.",
    "{name} never travels without the {instrument}.",
    "{name} tunes the {instrument} each morning.",
    "In the band {name} has the {instrument}.",
    "On the {instrument} nobody is like {name}.",
    "{name} gives lessons on the {instrument}.",
    "You can hear {name} on the {instrument}.",
    "The {instrument} in the corner is that of {name}.",
    "{name} carries {a instrument} to every feast."};
constexpr std::string_view kInstrumentQuestions[] = {
    "Which instrument does {name} play?",   "What instrument does {name} play?",
    "What is the instrument of {name}?",    "What does {name} play?",
    "On which instrument is {name} heard?", "Tell me the instrument of {name}."};
constexpr std::string_view kNewInstrumentQuestions[] = {
    "What does {name} make music on?", "With which instrument does {name} come to a dance?",
    "Which instrument is {name} known for?", "What would {name} bring to a concert?"};

// What is asked for: an attribute, or the instrument, of which stories say nothing.
using Topic = std::optional<Attribute>;
constexpr size_t kTopicCount = kAttributeCount + 1;
Topic topic_number(size_t i) { return i < kAttributeCount ? Topic(kAttributes[i]) : Topic(); }
Topic draw_topic(Rng& rng) { return topic_number(rng.below(kTopicCount)); }

std::string fill_instrument(std::string_view pattern, const Person& person) {
  return fill_pattern(pattern, {{"name", person.name}, {"instrument", person.instrument}});
}

std::string write_note_on(Rng& rng, const Person& person, Topic topic) {
  if (topic) return write_note(rng, person, *topic);
  return capitalized(fill_instrument(choose(rng, kInstrumentNotes), person));
}

std::string draw_question(Rng& rng, const Person& person, Topic topic) {
  if (topic) return ask(choose(rng, taught_questions(*topic)), person);
  return fill_instrument(choose(rng, kInstrumentQuestions), person);
}

const std::string& value_of(const Person& person, Topic topic) {
  return topic ? person.fact(*topic) : person.instrument;
}

std::string answer_of(const Person& person, Topic topic) {
  if (topic) return plain_answer(person, *topic);
  return fill_instrument("{name}'s instrument is the {instrument}.", person);
}

Person draw_stranger(Rng& rng, const World& world) {
  Person stranger;
  stranger.name = world.draw_stranger(rng);
  stranger.first = stranger.name.substr(0, stranger.name.find(' '));
  stranger.he = rng.chance(0.5);
  return stranger;
}

// One of a train person and a stranger, each half of the time, with values of this row only.
Person draw_subject(Rng& rng, const World& world, bool known) {
  return with_other_values(rng, world,
                           known ? world.draw(rng, Split::kTrain) : draw_stranger(rng, world));
}

// The notes of a row, and who is asked about what.
class Notes {
 public:
  Notes(Rng& rng, const World& world, const Person& asked, Topic topic)
      : rng_(rng), world_(world), asked_(asked), topic_(topic) {}

  // One to three of them, of which the one in a random place is `answer`, and others `company`.
  template <typename Company>
  void fill(bool told, const Company& company) {
    const size_t count = 1 + rng_.below(static_cast<uint64_t>(kMostNotes));
    const size_t place = rng_.below(count);
    for (size_t i = 0; i < count; ++i) {
      std::string note;
      do {
        note = told && i == place ? write_note_on(rng_, asked_, topic_) : company();
      } while (std::ranges::find(notes_, note) != notes_.end());
      notes_.push_back(std::move(note));
    }
  }

  // About another person: mostly what is asked for, which is what misleads.
  std::string about_another() {
    Person other;
    do {
      other = draw_subject(rng_, world_, rng_.chance(0.5));
    } while (other.name == asked_.name);
    return write_note_on(rng_, other, rng_.below(100) < 70 ? topic_ : draw_topic(rng_));
  }
  // Another fact about who is asked about, which does not give the answer away.
  std::string another_fact() {
    for (;;) {
      const Topic topic = draw_topic(rng_);
      const bool tells =
          topic == topic_ || (topic_ == Attribute::kAnimal && topic == Attribute::kPet);
      if (!tells) return write_note_on(rng_, asked_, topic);
    }
  }
  // The same in other words, or another fact: what is looked up by name.
  std::string own() {
    return rng_.chance(0.5) ? write_note_on(rng_, asked_, topic_) : another_fact();
  }

  std::vector<std::string> take() { return std::move(notes_); }

 private:
  Rng& rng_;
  const World& world_;
  const Person& asked_;
  Topic topic_;
  std::vector<std::string> notes_;
};

// A question with its notes, before it is known whether it becomes a row or a text.
struct OpenQuestion {
  Person person;
  Topic topic;
  std::vector<std::string> notes;
  bool told = false;
};

OpenQuestion draw_open_question(Rng& rng, const World& world, OpenBookKind kind) {
  OpenQuestion open;
  const bool memory = kind == OpenBookKind::kAgainstMemory;
  open.person = draw_subject(rng, world, memory || rng.chance(0.5));
  open.topic = memory ? Topic(draw_attribute(rng)) : draw_topic(rng);
  open.told = kind == OpenBookKind::kOwnNotes || kind == OpenBookKind::kAmongOthers || memory;
  Notes notes(rng, world, open.person, open.topic);
  switch (kind) {
    case OpenBookKind::kOwnNotes:
    case OpenBookKind::kAgainstMemory:
      notes.fill(true, [&] { return notes.own(); });
      break;
    case OpenBookKind::kAmongOthers:
      notes.fill(true, [&] { return notes.about_another(); });
      break;
    case OpenBookKind::kNotTold:
      if (rng.chance(0.5))
        notes.fill(false, [&] { return notes.about_another(); });
      else
        notes.fill(false, [&] { return notes.another_fact(); });
      break;
    case OpenBookKind::kNone:
    case OpenBookKind::kUnderRule:
    case OpenBookKind::kClosed:
      break;
  }
  open.notes = notes.take();
  return open;
}

std::string open_answer(const OpenQuestion& open, std::string_view rule) {
  if (rule == kOneWordRule)
    return open.told ? value_of(open.person, open.topic) : std::string(kUnknownWord);
  const std::string_view opening = rule == kTaleRule ? kTalePrefix : "";
  return std::string(opening) +
         (open.told ? answer_of(open.person, open.topic) : deny_in_notes(open.person.name));
}

OpenBookRow make_open_row(Rng& rng, OpenBookKind kind, std::string_view rule, OpenQuestion open) {
  OpenBookRow row = {kind, open.person.name, std::move(open.notes), open.told, "", {}};
  if (open.told) row.value = value_of(open.person, open.topic);
  row.messages = ask_assistant(system_with_notes(rule, row.notes),
                               draw_question(rng, open.person, open.topic));
  row.messages.push_back({"assistant", open_answer(open, rule)});
  return row;
}

// Without notes: what stories have told is known, an instrument or a stranger is not.
OpenBookRow draw_closed_row(Rng& rng, const World& world) {
  OpenBookRow row;
  row.kind = OpenBookKind::kClosed;
  const bool known = rng.chance(0.5);
  const Topic topic = draw_topic(rng);
  const Person person =
      known ? world.draw(rng, Split::kTrain) : draw_subject(rng, world, /*known=*/false);
  row.name = person.name;
  row.messages = ask_assistant("", draw_question(rng, person, topic));
  std::string answer;
  if (known && topic) {
    row.value = person.fact(*topic);
    answer = styled(rng, plain_answer(person, *topic), draw_style(rng));
  } else {
    answer = known ? deny_attribute(rng, person.name) : deny_person(rng, person.name);
  }
  row.messages.push_back({"assistant", answer});
  return row;
}

// In the order of OpenBookKind; the first four also of rows under a rule and of texts.
constexpr int kWeights[] = {20, 15, 15, 10, 15, 10, 15};
constexpr int kWithNotesWeights[] = {20, 15, 15, 10, 15};

}  // namespace

OpenBookRow draw_open_book_row(Rng& rng, const World& world) {
  const auto kind = static_cast<OpenBookKind>(choose_weighted(rng, kWeights));
  if (kind == OpenBookKind::kClosed) return draw_closed_row(rng, world);
  if (kind != OpenBookKind::kUnderRule)
    return make_open_row(rng, kind, "", draw_open_question(rng, world, kind));
  const auto below = static_cast<OpenBookKind>(choose_weighted(rng, kWithNotesWeights));
  const std::string_view rule = rng.chance(0.5) ? kOneWordRule : kTaleRule;
  return make_open_row(rng, kind, rule, draw_open_question(rng, world, below));
}

std::string write_open_book_document(Rng& rng, const World& world) {
  std::vector<std::string> lines;
  for (int i = 0; i < 2; ++i) {
    const auto kind = static_cast<OpenBookKind>(choose_weighted(rng, kWithNotesWeights));
    const OpenQuestion open = draw_open_question(rng, world, kind);
    lines.push_back(system_with_notes("", open.notes));
    const std::string question = draw_question(rng, open.person, open.topic);
    const bool word = open.told && rng.chance(0.4);
    lines.push_back("Question: " + question +
                    (word ? " One word: " + value_of(open.person, open.topic) + "."
                          : " Answer: " + open_answer(open, "")));
  }
  return joined(lines, "\n");
}

std::string write_note(Rng& rng, const Person& person, Attribute attribute) {
  return capitalized(tell(choose(rng, story_templates(attribute)), person, Mention::kFullName));
}

Texts taught_instrument_questions() { return kInstrumentQuestions; }

Texts new_instrument_questions(Split split) {
  MINILLM_DCHECK(split != Split::kTrain);
  const Texts all = kNewInstrumentQuestions;
  return split == Split::kValidation ? all.first(2) : all.last(2);
}

Person with_other_values(Rng& rng, const World& world, Person person) {
  for (Attribute attribute : kAttributes) {
    std::string& fact = person.facts[static_cast<size_t>(attribute)];
    const std::string before = fact;
    do {
      fact = attribute == Attribute::kFriend
                 ? rng.pick(world.people()).name
                 : std::string(choose(rng, attribute_values(attribute)));
    } while (fact == before || fact == person.name);
  }
  person.instrument = choose(rng, instruments());
  return person;
}

}  // namespace minillm::world
