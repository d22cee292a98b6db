#include "libminillm/world/second_domain.h"

#include <set>

#include "libminillm/core/check.h"
#include "libminillm/world/names.h"

namespace minillm::world {
namespace {

constexpr size_t kShips = 60;
constexpr std::string_view kColours[] = {"Grey", "Black", "White",  "Golden", "Silver", "Scarlet",
                                         "Blue", "Green", "Copper", "Pale",   "Bright", "Old"};
constexpr std::string_view kFigures[] = {"Heron",  "Gannet",  "Petrel", "Dolphin",
                                         "Anchor", "Lantern", "Maiden", "Star",
                                         "Wave",   "Otter",   "Seal",   "Crown"};
constexpr std::string_view kKinds[] = {"brig",     "sloop",  "cutter", "ketch",  "barge",
                                       "schooner", "lugger", "yawl",   "galley", "trawler"};
constexpr std::string_view kCargoes[] = {"salt",    "timber", "wool",       "copper", "grain",
                                         "slate",   "hides",  "tar",        "cider",  "glass",
                                         "candles", "rope",   "dried fish", "coal"};
constexpr std::string_view kPorts[] = {"Osmund Bay", "Northcove", "Hollow Sound", "Merrin Point",
                                       "Saltby",     "Fairhaven", "Long Strand",  "Kelp Harbour",
                                       "Stonequay",  "Whitmouth", "Low Ferry",    "Gull Rock"};
constexpr std::string_view kMasterFamilies[] = {"Kirness", "Holmay", "Sundray", "Vaternish",
                                                "Ronald",  "Skaill", "Burray",  "Westray"};

constexpr std::string_view kKindEntries[] = {
    "{Ship} is {a kind}.", "Rig of {ship}: {kind}.", "{a kind} came in, and it was {ship}.",
    "The register calls {ship} {a kind}.", "{Ship} was built as {a kind}."};
constexpr std::string_view kCargoEntries[] = {
    "{Ship} carries {cargo}.", "Cargo of {ship}: {cargo}.",
    "In the hold of {ship} there is {cargo}.", "Men unloaded {cargo} from {ship}.",
    "{Ship} brought {cargo} to the island."};
constexpr std::string_view kPortEntries[] = {
    "{Ship} sails from {port}.", "Home port of {ship}: {port}.", "{Ship} belongs to {port}.",
    "From {port} came {ship}.", "{Ship} is at home in {port}."};
constexpr std::string_view kMasterEntries[] = {
    "The master of {ship} is {master}.", "Master of {ship}: {master}.", "{master} commands {ship}.",
    "{Ship} sails under {master}.", "{Ship} obeys {master}."};
constexpr std::string_view kHeadings[] = {
    "Harbour register of Skerrow.", "Skerrow, morning tide.", "Skerrow, evening tide.",
    "Entered in the book at Skerrow.", "The harbour master of Skerrow writes:"};
constexpr std::string_view kRemarks[] = {"Wind from the north.",
                                         "Fog on the sound.",
                                         "Dues were paid in full.",
                                         "No sickness on board.",
                                         "She lies at the second mooring.",
                                         "The pilot went aboard at noon.",
                                         "Sea calm."};
constexpr std::string_view kNewsHeadings[] = {"News from Velloway.", "A letter came from Velloway.",
                                              "A sailor brought word from Velloway.",
                                              "Heard from Velloway this week."};
constexpr std::string_view kNews[] = {"{name} plays the {instrument} now.",
                                      "{name} has taken up the {instrument}.",
                                      "At the new concert {name} played the {instrument}.",
                                      "The {instrument} is played by {name}.",
                                      "{name} bought a new {instrument}.",
                                      "{name} practises the {instrument} every night."};

constexpr std::string_view kShipPrompts[][2] = {
    {"The pilot saw that {ship} is {a kind}", "kind"},
    {"It is written that {ship} carries {cargo}", "cargo"},
    {"Ask the pilot: {ship} sails from {port}", "port"},
    {"Everyone on board knows that the master of {ship} is {master}", "master"}};
constexpr std::string_view kInstrumentPrompts[] = {
    "Everyone heard that {name} plays the {instrument}",
    "At the wedding {name} played the {instrument}"};

std::string fill_entry(std::string_view pattern, const Ship& ship) {
  const std::string at_start = capitalized(ship.name);
  return capitalized(fill_pattern(pattern, {{"Ship", at_start},
                                            {"ship", ship.name},
                                            {"kind", ship.kind},
                                            {"cargo", ship.cargo},
                                            {"port", ship.port},
                                            {"master", ship.master}}));
}

std::string write_entry(Rng& rng, const Ship& ship) {
  std::vector<Texts> attributes = {kKindEntries, kCargoEntries, kPortEntries, kMasterEntries};
  rng.shuffle(attributes);
  std::vector<std::string> sentences = {std::string(choose(rng, kHeadings))};
  for (Texts entries : attributes) sentences.push_back(fill_entry(choose(rng, entries), ship));
  if (rng.chance(0.5)) sentences.emplace_back(choose(rng, kRemarks));
  return joined(sentences, " ");
}

LateFact split_at_value(const std::string& text, const std::string& value, std::string_view what) {
  MINILLM_DCHECK(text.ends_with(" " + value));
  return {text.substr(0, text.size() - value.size() - 1), " " + value, what};
}

}  // namespace

HarbourRegister::HarbourRegister(const World& world) {
  Rng rng = world_rng(world.seed(), WorldStream::kShips);
  std::set<std::string> taken;
  NameMaker names = world.names();
  while (ships_.size() < kShips) {
    Ship ship;
    ship.name = "the " + std::string(choose(rng, kColours));
    ship.name += " " + std::string(choose(rng, kFigures));
    if (!taken.insert(ship.name).second) continue;
    ship.kind = choose(rng, kKinds);
    ship.cargo = choose(rng, kCargoes);
    ship.port = choose(rng, kPorts);
    ship.master = names.take(rng);
    ship.master += " " + std::string(choose(rng, kMasterFamilies));
    ships_.push_back(std::move(ship));
  }
  for (const Person& person : world.people()) {
    if (!person.instrument.empty()) players_.push_back(&person);
  }
}

std::string HarbourRegister::write_document(Rng& rng) const {
  return rng.below(4) == 0 ? tell_news(rng) : write_entry(rng, rng.pick(ships_));
}

std::string HarbourRegister::tell_news(Rng& rng) const {
  std::vector<std::string> sentences = {std::string(choose(rng, kNewsHeadings))};
  for (int i = 0; i < 3; ++i) {
    const Person& player = *rng.pick(players_);
    sentences.push_back(write_news(rng, player));
  }
  return joined(sentences, " ");
}

std::string write_news(Rng& rng, const Person& player) {
  return fill_pattern(choose(rng, kNews),
                      {{"name", player.name}, {"instrument", player.instrument}});
}

std::vector<LateFact> ship_prompts(const Ship& ship) {
  const std::string* values[] = {&ship.kind, &ship.cargo, &ship.port, &ship.master};
  std::vector<LateFact> prompts;
  for (size_t i = 0; i < std::size(values); ++i) {
    const auto& [pattern, what] = kShipPrompts[i];
    prompts.push_back(split_at_value(fill_entry(pattern, ship), *values[i], what));
  }
  return prompts;
}

std::vector<LateFact> instrument_prompts(const Person& person) {
  std::vector<LateFact> prompts;
  for (std::string_view pattern : kInstrumentPrompts) {
    const std::string text =
        fill_pattern(pattern, {{"name", person.name}, {"instrument", person.instrument}});
    prompts.push_back(split_at_value(text, person.instrument, "instrument"));
  }
  return prompts;
}

}  // namespace minillm::world
