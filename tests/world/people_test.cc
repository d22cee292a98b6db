#include "libminillm/world/people.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_world;

TEST(WorldPeople, GroupsHaveTheirSizesAndCoverEverybodyOnce) {
  const World& world = default_world();
  EXPECT_EQ(world.group(Split::kTrain).size(), 120u);
  EXPECT_EQ(world.group(Split::kValidation).size(), 48u);
  EXPECT_EQ(world.group(Split::kTest).size(), 80u);
  std::set<const Person*> seen;
  for (Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    for (const Person* person : world.group(split)) EXPECT_TRUE(seen.insert(person).second);
  }
  EXPECT_EQ(seen.size(), world.people().size());
}

TEST(WorldPeople, FirstNamesAreUniqueAlsoAmongStrangers) {
  const World& world = default_world();
  std::set<std::string> seen;
  for (const Person& person : world.people()) {
    EXPECT_TRUE(seen.insert(person.first).second) << person.first;
  }
  for (Split split : {Split::kValidation, Split::kTest}) {
    for (bool known_family : {false, true}) {
      EXPECT_EQ(world.strangers(split, known_family).size(), 80u);
      for (const std::string& name : world.strangers(split, known_family)) {
        EXPECT_TRUE(seen.insert(name.substr(0, name.find(' '))).second) << name;
      }
    }
  }
}

TEST(WorldPeople, StrangersShareAFamilyNameOnlyWhereTheyAreSaidTo) {
  const World& world = default_world();
  std::set<std::string> families;
  for (const Person& person : world.people()) {
    families.insert(person.name.substr(person.first.size() + 1));
  }
  EXPECT_EQ(families.size(), 40u);
  for (bool known_family : {false, true}) {
    for (const std::string& name : world.strangers(Split::kTest, known_family)) {
      EXPECT_EQ(families.contains(name.substr(name.find(' ') + 1)), known_family) << name;
    }
  }
}

TEST(WorldPeople, FactsComeFromTheTablesAndNobodyIsTheirOwnFriend) {
  std::set<std::string> names;
  for (const Person& person : default_world().people()) names.insert(person.name);
  for (const Person& person : default_world().people()) {
    for (Attribute attribute : kAttributes) {
      const std::string& fact = person.fact(attribute);
      if (attribute == Attribute::kFriend) {
        EXPECT_TRUE(names.contains(fact) && fact != person.name) << person.name;
      } else {
        const Texts values = attribute_values(attribute);
        EXPECT_NE(std::find(values.begin(), values.end(), fact), values.end()) << fact;
      }
    }
  }
}

TEST(WorldPeople, OnlyUsualPeopleOutsideTrainingHaveALateFact) {
  int late = 0;
  for (const Person& person : default_world().people()) {
    if (person.instrument.empty()) continue;
    ++late;
    EXPECT_NE(person.split, Split::kTrain);
    EXPECT_EQ(person.frequency, Frequency::kUsual);
  }
  EXPECT_EQ(late, 40);
}

TEST(WorldPeople, AnotherSeedIsAnotherWorld) {
  const World other(2);
  EXPECT_NE(other.people()[0].name, default_world().people()[0].name);
}

TEST(WorldPeople, TrainingStrangersAreNobodyAndNotThoseOfTheTests) {
  const World& world = default_world();
  std::set<std::string> taken;
  for (const Person& person : world.people()) taken.insert(person.first);
  for (Split split : {Split::kValidation, Split::kTest}) {
    for (bool known_family : {false, true}) {
      for (const std::string& name : world.strangers(split, known_family)) {
        taken.insert(name.substr(0, name.find(' ')));
      }
    }
  }
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) {
    const std::string name = world.draw_stranger(rng);
    EXPECT_FALSE(taken.contains(name.substr(0, name.find(' ')))) << name;
  }
}

}  // namespace
}  // namespace minillm::world
