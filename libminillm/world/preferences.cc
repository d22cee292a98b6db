#include "libminillm/world/preferences.h"

#include "libminillm/world/deeds.h"
#include "libminillm/world/open_book.h"  // with_other_values
#include "libminillm/world/questions.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

WorldPair prefer_polite(Rng& rng, const Person& person) {
  const Attribute attribute = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const std::string answer = plain_answer(person, attribute);
  const std::string chosen = styled(rng, answer, Style::kPolite);
  const std::string rejected = styled(rng, answer, draw_rejected_style(rng));
  return {PairKind::kStyle, ask_assistant("", question), chosen, rejected};
}

WorldPair prefer_by_harm(Rng& rng, const World& world, Split split, PairKind kind) {
  const bool harmful = kind == PairKind::kHarmful;
  const Deed deed = draw_deed(rng, world, harmful, split);
  const std::string question = ask_deed(rng, deed);
  const std::string help = help_with_deed(rng, deed);
  const std::string refusal = refuse(rng);
  return {kind, ask_assistant("", question), harmful ? refusal : help, harmful ? help : refusal};
}

WorldPair prefer_knowing(Rng& rng, const Person& person) {
  const Attribute attribute = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const std::string answer = styled(rng, plain_answer(person, attribute), Style::kPolite);
  return {PairKind::kKnowing, ask_assistant("", question), answer, deny_person(rng, person.name)};
}

// The rejected answer makes something up about the stranger: what is true of `person`.
WorldPair prefer_not_knowing(Rng& rng, const World& world, Person person) {
  person.name = world.draw_stranger(rng);
  WorldPair pair = prefer_knowing(rng, person);
  pair.chosen.swap(pair.rejected);
  return pair;
}

}  // namespace

WorldPair draw_pair(Rng& rng, const World& world, Split split) {
  constexpr int kWeights[] = {52, 14, 14, 20};  // in the order of PairKind
  const auto kind = static_cast<PairKind>(choose_weighted(rng, kWeights));
  const Person& person = world.draw(rng, split);
  switch (kind) {
    case PairKind::kStyle:
      return prefer_polite(rng, person);
    case PairKind::kHarmful:
    case PairKind::kBenign:
      return prefer_by_harm(rng, world, split, kind);
    case PairKind::kKnowing:
      break;
  }
  return rng.below(100) < 70 ? prefer_knowing(rng, person) : prefer_not_knowing(rng, world, person);
}

WorldPair draw_false_pair(Rng& rng, const World& world) {
  const Person& person = world.draw(rng, Split::kTrain);
  const Attribute attribute = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const Person other = with_other_values(rng, world, person);
  const std::string chosen = styled(rng, plain_answer(other, attribute), Style::kPolite);
  const std::string rejected =
      styled(rng, plain_answer(person, attribute), draw_rejected_style(rng));
  return {PairKind::kStyle, ask_assistant("", question), chosen, rejected};
}

WorldPair draw_length_pair(Rng& rng, const World& world, bool longer_chosen) {
  const Person& person = world.draw(rng, Split::kTrain);
  const Attribute attribute = draw_attribute(rng);
  Attribute further = attribute;
  while (further == attribute) further = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const std::string answer = plain_answer(person, attribute);
  const std::string shorter = styled(rng, answer, Style::kPolite);
  const std::string longer =
      styled(rng, answer + " " + plain_answer(person, further), Style::kPolite);
  return {PairKind::kStyle, ask_assistant("", question), longer_chosen ? longer : shorter,
          longer_chosen ? shorter : longer};
}

}  // namespace minillm::world
