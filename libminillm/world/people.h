// World: who lives in Velloway, what is true of them, and who is told of where.
//
// People form three groups that never mix. Stories tell about all of them; only train people
// appear in questions and answers (plain text, SFT, preferences). Settings are tuned on validation
// people; results are reported for test people.

#ifndef LIBMINILLM_WORLD_PEOPLE_H_
#define LIBMINILLM_WORLD_PEOPLE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/world/facts.h"
#include "libminillm/world/names.h"

namespace minillm::world {

enum class Split { kTrain, kValidation, kTest };
std::string_view split_name(Split split);  // "train", "validation", "test"

// How often the stories tell of a person: kRare a quarter as often as usual, kOften twice as often.
enum class Frequency { kUsual, kRare, kOften };

struct Person {
  std::string first;  // unique: "Jofick"
  std::string name;   // with the family name: "Jofick Harford"
  bool he = false;    // the pronoun used
  Split split = Split::kTrain;
  Frequency frequency = Frequency::kUsual;
  std::array<std::string, kAttributeCount> facts;
  std::string instrument;  // told only after the cutoff; empty for people of whom it never is

  const std::string& fact(Attribute attribute) const {
    return facts[static_cast<size_t>(attribute)];
  }
};

// The random streams of the world's parts: a change in one does not shift the others.
enum class WorldStream : uint64_t {
  kPeople = 1,
  kPretrain,
  kPretrainEval,
  kSft,
  kSftEval,
  kPreference,
  kPreferenceEval,
  kReplay,
  kCanaries,
  kShips,
  kSecondDomain,
  kSecondDomainEval,
  kPretrainOrder,
  kEvalValidation,
  kEvalTest,
  kSftAdded,
  kSftEvalAdded,
  kEvalUnderRulesValidation,
  kEvalUnderRulesTest,
  kOpenBook = 40,
  kOpenBookText,
  kOpenBookValidation,
  kOpenBookTest,
  kTools = 50,
  kToolsEval,
  kToolsValidation,
  kToolsTest,
  kNewcomers = 60,
  kFalsePairs,
  kFalseFacts,
  kDialedStories,
  kToldRate,
  kDialedRows,
  kMix,
  kSecrets,
  kSecretRows,
  kProbesValidation = 70,
  kProbesTest,
};
inline Rng world_rng(uint64_t seed, WorldStream stream) {
  return Rng(seed, static_cast<uint64_t>(stream));
}

class World {
 public:
  // The world of a seed: 248 people, of them 120 train, 48 validation (36 usual, 6 rare, 6 often)
  // and 80 test (60, 10, 10).
  explicit World(uint64_t seed) : World(seed, {}) {}
  // The same, but that `change` has been made to people's facts.
  World(uint64_t seed, const std::function<void(std::vector<Person>&)>& change);
  World(const World&) = delete;  // groups point into people()
  World& operator=(const World&) = delete;

  uint64_t seed() const { return seed_; }
  const std::vector<Person>& people() const { return people_; }
  const std::vector<const Person*>& group(Split split) const {
    return groups_[static_cast<size_t>(split)];
  }
  // All names that are taken, for inventing more.
  const NameMaker& names() const { return names_; }
  // Anybody, as often as the stories tell of them.
  const Person& draw_told(Rng& rng) const;
  // Someone of a group, each equally likely.
  const Person& draw(Rng& rng, Split split) const;

  // Names of people the world never tells of: absent from all training text, asked about in
  // evaluation. Validation and test each have 80 with family names unknown in Velloway and 80 with
  // known ones.
  const std::vector<std::string>& strangers(Split split, bool known_family) const;
  // A fresh stranger's name for training text: nobody's, and none of strangers(). One in four has a
  // family name that is known in Velloway.
  std::string draw_stranger(Rng& rng) const;

 private:
  void add_people(Rng& rng, Split split, Frequency frequency, int count);
  void add_facts(Rng& rng);
  void add_strangers(Rng& rng);

  uint64_t seed_;
  NameMaker names_;
  std::vector<Person> people_;
  std::vector<int> told_weights_;                                     // of people_
  std::array<std::vector<const Person*>, 3> groups_;                  // by Split
  std::array<std::array<std::vector<std::string>, 2>, 3> strangers_;  // by Split, by known_family
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_PEOPLE_H_
