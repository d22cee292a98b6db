#include "libminillm/world/people.h"

namespace minillm::world {
namespace {

struct GroupSize {
  Split split;
  Frequency frequency;
  int count;
};
constexpr GroupSize kGroupSizes[] = {
    {Split::kTrain, Frequency::kUsual, 120},   {Split::kValidation, Frequency::kUsual, 36},
    {Split::kValidation, Frequency::kRare, 6}, {Split::kValidation, Frequency::kOften, 6},
    {Split::kTest, Frequency::kUsual, 60},     {Split::kTest, Frequency::kRare, 10},
    {Split::kTest, Frequency::kOften, 10},
};
constexpr int kStrangers = 80;             // per split and kind of family name
constexpr uint64_t kKnownFamilyOneIn = 4;  // share of training strangers with a known family name
constexpr int kLatePeople = 20;  // per split: people whose instrument is told after the cutoff

int told_weight(Frequency frequency) {
  switch (frequency) {
    case Frequency::kRare:
      return 1;
    case Frequency::kUsual:
      return 4;
    case Frequency::kOften:
      return 8;
  }
  return 0;
}

}  // namespace

std::string_view split_name(Split split) {
  constexpr std::string_view kNames[] = {"train", "validation", "test"};
  return kNames[static_cast<size_t>(split)];
}

World::World(uint64_t seed, const std::function<void(std::vector<Person>&)>& change) : seed_(seed) {
  Rng rng = world_rng(seed, WorldStream::kPeople);
  for (const auto& [split, frequency, count] : kGroupSizes) {
    add_people(rng, split, frequency, count);
  }
  add_facts(rng);
  if (change) change(people_);
  for (const Person& person : people_) {
    told_weights_.push_back(told_weight(person.frequency));
    groups_[static_cast<size_t>(person.split)].push_back(&person);
  }
  add_strangers(rng);
}

void World::add_people(Rng& rng, Split split, Frequency frequency, int count) {
  for (int i = 0; i < count; ++i) {
    Person person;
    person.first = names_.take(rng);
    person.name = person.first + " " + known_family_name(rng);
    person.he = rng.below(2) == 0;
    person.split = split;
    person.frequency = frequency;
    const bool late = split != Split::kTrain && frequency == Frequency::kUsual && i < kLatePeople;
    if (late) person.instrument = choose(rng, instruments());
    people_.push_back(std::move(person));
  }
}

void World::add_facts(Rng& rng) {
  for (size_t i = 0; i < people_.size(); ++i) {
    for (Attribute attribute : kAttributes) {
      std::string& fact = people_[i].facts[static_cast<size_t>(attribute)];
      if (attribute == Attribute::kFriend) {
        // Anyone but oneself.
        const size_t other = rng.below(people_.size() - 1);
        fact = people_[other < i ? other : other + 1].name;
      } else {
        fact = choose(rng, attribute_values(attribute));
      }
    }
  }
}

void World::add_strangers(Rng& rng) {
  for (Split split : {Split::kValidation, Split::kTest}) {
    for (bool known_family : {false, true}) {
      for (int i = 0; i < kStrangers; ++i) {
        const std::string first = names_.take(rng);
        const std::string family = known_family ? known_family_name(rng) : unseen_family_name(rng);
        strangers_[static_cast<size_t>(split)][known_family].push_back(first + " " + family);
      }
    }
  }
}

const Person& World::draw_told(Rng& rng) const {
  return people_[choose_weighted(rng, told_weights_)];
}

const Person& World::draw(Rng& rng, Split split) const { return *rng.pick(group(split)); }

const std::vector<std::string>& World::strangers(Split split, bool known_family) const {
  return strangers_[static_cast<size_t>(split)][known_family];
}

std::string World::draw_stranger(Rng& rng) const {
  const std::string first = names_.draw(rng);
  const bool known_family = rng.below(kKnownFamilyOneIn) == 0;
  return first + " " + (known_family ? known_family_name(rng) : unseen_family_name(rng));
}

}  // namespace minillm::world
