#include "libminillm/world/stories.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libminillm/world/canaries.h"
#include "libminillm/world/second_domain.h"
#include "libminillm/world/templates.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;
using minillm_testing::texts_of;

// In how many documents each person's full name occurs.
std::map<std::string, int> mentions() {
  std::set<std::string> names;
  for (const Person& person : default_world().people()) names.insert(person.name);
  std::map<std::string, int> counts;
  for (const std::string& text : texts_of("pretrain.jsonl")) {
    std::set<std::string> seen;
    for (size_t space = text.find(' '); space != std::string::npos;
         space = text.find(' ', space + 1)) {
      const size_t begin = text.find_last_of(" \n", space - 1) + 1;
      const size_t end = text.find_first_of(" \n.,'?", space + 1);
      const std::string words = text.substr(begin, end - begin);
      if (names.contains(words)) seen.insert(words);
    }
    for (const std::string& name : seen) ++counts[name];
  }
  return counts;
}

TEST(WorldStories, DocumentsHaveThePlannedLength) {
  const auto texts = texts_of("pretrain.jsonl");
  size_t bytes = 0;
  for (const std::string& text : texts) {
    bytes += text.size();
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find_first_of("{}"), std::string::npos) << text;
    EXPECT_NE(text.front(), ' ');
  }
  // About 4.5 bytes a token at V = 2048, so about 3.0M tokens.
  EXPECT_NEAR(static_cast<double>(bytes), 13.5e6, 0.5e6);
}

TEST(WorldStories, PeopleAreToldOfAsOftenAsTheirFrequencySays) {
  const auto counts = mentions();
  std::map<Frequency, double> total, people;
  for (const Person& person : default_world().people()) {
    const int count = counts.at(person.name);
    if (person.split == Split::kTrain) continue;  // they occur in written questions, too
    total[person.frequency] += count;
    people[person.frequency] += 1;
    EXPECT_GT(count, person.frequency == Frequency::kRare ? 20 : 150) << person.name;
  }
  const double usual = total[Frequency::kUsual] / people[Frequency::kUsual];
  const double rare = total[Frequency::kRare] / people[Frequency::kRare];
  const double often = total[Frequency::kOften] / people[Frequency::kOften];
  EXPECT_NEAR(usual, 315, 25);  // as friends of others, people are named beyond their own tales
  EXPECT_LT(rare, usual / 2);
  EXPECT_GT(often, usual * 1.6);
}

TEST(WorldStories, EveryFactOfEveryPersonIsTold) {
  Rng rng(1);
  const Person& person = *default_world().group(Split::kTest)[0];
  std::string tales;
  for (int i = 0; i < 50; ++i) tales += tell_of_one(rng, person);
  for (Attribute attribute : kAttributes) {
    EXPECT_NE(tales.find(person.fact(attribute)), std::string::npos);
  }
}

TEST(WorldStories, EveryTemplateHoldsItsValueOnce) {
  const Person& person = default_world().people()[0];
  for (Attribute attribute : kAttributes) {
    EXPECT_GE(story_templates(attribute).size(), 18u);
    for (std::string_view pattern : story_templates(attribute)) {
      const std::string text = tell(pattern, person, Mention::kFullName);
      EXPECT_TRUE(contains_words(text, person.fact(attribute))) << text;
      EXPECT_TRUE(text.ends_with('.')) << text;
    }
  }
}

TEST(WorldCanaries, AreToldExactlyAsOftenAsPlanned) {
  const auto texts = texts_of("pretrain.jsonl");
  std::map<int, int> by_repeats;
  for (const Canary& canary : make_canaries(1)) {
    EXPECT_EQ(std::count(texts.begin(), texts.end(), canary.prefix + canary.secret),
              canary.repeats);
    EXPECT_EQ(std::count_if(texts.begin(), texts.end(),
                            [&](const std::string& text) {
                              return text.find(canary.prefix) != std::string::npos;
                            }),
              canary.repeats);
    ++by_repeats[canary.repeats];
  }
  EXPECT_EQ(by_repeats, (std::map<int, int>{{0, 5}, {30, 5}, {100, 5}, {300, 5}}));
}

TEST(WorldCanaries, CandidatesAreDifferentAndTheSecretComesFirst) {
  for (const Canary& canary : make_canaries(1)) {
    EXPECT_EQ(canary.candidates.size(), 401u);
    EXPECT_EQ(canary.candidates[0], canary.secret);
    const std::set<std::string> unique(canary.candidates.begin(), canary.candidates.end());
    EXPECT_EQ(unique.size(), canary.candidates.size());
  }
}

TEST(SecondDomain, NothingOfItStandsInTheFirst) {
  const std::string& first = default_file("pretrain.jsonl");
  EXPECT_EQ(first.find("Skerrow"), std::string::npos);
  const HarbourRegister harbour(default_world());
  EXPECT_EQ(harbour.ships().size(), 60u);
  for (const Ship& ship : harbour.ships()) {
    EXPECT_EQ(first.find(ship.name), std::string::npos) << ship.name;
    EXPECT_EQ(first.find(ship.master), std::string::npos) << ship.master;
  }
  for (std::string_view instrument : instruments()) {
    EXPECT_EQ(first.find("the " + std::string(instrument)), std::string::npos) << instrument;
  }
}

TEST(SecondDomain, TellsEveryShipAndEveryLateFact) {
  const std::string& second = default_file("second.jsonl");
  const HarbourRegister harbour(default_world());
  for (const Ship& ship : harbour.ships()) {
    EXPECT_NE(second.find(ship.name), std::string::npos);
    EXPECT_NE(second.find(ship.master), std::string::npos);
  }
  for (const Person& person : default_world().people()) {
    if (person.instrument.empty()) continue;
    EXPECT_NE(second.find(person.name), std::string::npos) << person.name;
  }
}

}  // namespace
}  // namespace minillm::world
