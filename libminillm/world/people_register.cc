#include "libminillm/world/people_register.h"

#include <set>

#include "libminillm/world/json.h"

namespace minillm::world {

std::string people_register(const World& world, const WorldDials& dials) {
  constexpr std::string_view kFrequencies[] = {"usual", "rare", "often"};
  const DialedData dialed(world, dials);
  const World lies = false_world(world.seed());
  const auto facts = [](const Person& person) {
    Json json = Json::object();
    for (const Attribute attribute : kAttributes)
      json[std::string(attribute_name(attribute))] = person.fact(attribute);
    return json;
  };
  std::set<const Person*> untold, falsely;
  for (const Split split : {Split::kValidation, Split::kTest}) {
    for (const Person* person : untold_people(world, split, dials.untold)) untold.insert(person);
    if (dials.told_falsely == 0) continue;
    for (const Person* person : falsely_told_people(world, split)) falsely.insert(person);
  }
  std::string out;
  for (size_t i = 0; i < world.people().size(); ++i) {
    const Person& person = world.people()[i];
    const double rate = untold.contains(&person)        ? 0
                        : person.split == Split::kTrain ? 1
                                                        : dials.told_rate;
    Json line = {{"name", person.name},
                 {"split", split_name(person.split)},
                 {"frequency", kFrequencies[static_cast<size_t>(person.frequency)]},
                 {"facts", facts(person)},
                 {"instrument", person.instrument.empty() ? Json() : Json(person.instrument)},
                 {"told_rate", rate},
                 {"told_falsely", nullptr},
                 {"called", nullptr}};
    if (falsely.contains(&person))
      line["told_falsely"] = {{"share", dials.told_falsely}, {"facts", facts(lies.people()[i])}};
    if (dialed.called(person) != person.first) line["called"] = dialed.called(person);
    out += line.dump() + "\n";
  }
  return out;
}

}  // namespace minillm::world
