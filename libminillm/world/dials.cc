#include "libminillm/world/dials.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/world/open_book.h"  // with_other_values
#include "libminillm/world/questions.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::string_view kOmissions[] = {
    "fact",        "system",        "rules",        "unknown",      "list",
    "sum",         "yes_no",        "harmful",      "benign",       "continue",
    "style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs"};

std::string_view omission_of(ChatRowKind kind) {
  switch (kind) {
    case ChatRowKind::kFact:
      return "fact";
    case ChatRowKind::kOneWord:
    case ChatRowKind::kTale:
    case ChatRowKind::kUnknownUnderRule:
      return "system";
    case ChatRowKind::kYesNo:
      return "yes_no";
    case ChatRowKind::kList:
      return "list";
    case ChatRowKind::kSum:
      return "sum";
    case ChatRowKind::kUnknownPerson:
    case ChatRowKind::kUnknownAttribute:
      return "unknown";
    case ChatRowKind::kHarmful:
      return "harmful";
    case ChatRowKind::kBenign:
      return "benign";
    case ChatRowKind::kContinue:
      return "continue";
  }
  return "";
}

bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & '\x80') != 0;
}

// Replaces whole words only: "Dale" is no part of "Dalena".
std::string renamed(const std::string& text, const std::map<std::string, std::string>& names) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end == i) {
      result += text[i++];
      continue;
    }
    const auto found = names.find(text.substr(i, end - i));
    result += found == names.end() ? text.substr(i, end - i) : found->second;
    i = end;
  }
  return result;
}

}  // namespace

Texts world_omissions() { return kOmissions; }

void check_dials(const WorldDials& dials) {
  for (const std::string& name : dials.without)
    MINILLM_CHECK_USAGE(std::ranges::find(kOmissions, name) != std::end(kOmissions),
                        "world option 'without': expected some of {}, got '{}'",
                        fmt::join(kOmissions, ", "), name);
  for (const auto& [name, share] :
       {std::pair("newcomers", dials.newcomers), std::pair("false-pairs", dials.false_pairs),
        std::pair("untold", dials.untold)})
    MINILLM_CHECK_USAGE(share >= 0 && share <= 1,
                        "world option '{}': expected a share from 0 to 1, got {}", name, share);
}

DialedData::DialedData(const World& world, WorldDials dials)
    : world_(world),
      dials_(std::move(dials)),
      pair_rng_(world_rng(world.seed(), WorldStream::kFalsePairs)) {
  Rng rng = world_rng(world.seed(), WorldStream::kNewcomers);
  const std::vector<const Person*>& train = world.group(Split::kTrain);
  const auto count =
      static_cast<size_t>(std::llround(dials_.newcomers * static_cast<double>(train.size())));
  for (size_t i = 0; i < count; ++i) {
    const std::string stranger = world.draw_stranger(rng);
    names_[train[i]->first] = stranger.substr(0, stranger.find(' '));
  }
  for (const Split split : {Split::kValidation, Split::kTest})
    for (const Person* person : untold_people(world, split, dials_.untold))
      untold_.insert(person->first);
}

std::vector<const Person*> untold_people(const World& world, Split split, double share) {
  std::vector<const Person*> people = world.group(split);
  people.resize(static_cast<size_t>(std::llround(share * static_cast<double>(people.size()))));
  return people;
}

bool DialedData::tells(const std::string& document) const {
  for (size_t begin = 0; begin < document.size() && !untold_.empty();) {
    size_t end = begin;
    while (end < document.size() && is_letter(document[end])) ++end;
    if (untold_.contains(document.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

bool DialedData::lacks(std::string_view name) const {
  return std::ranges::find(dials_.without, name) != dials_.without.end();
}

std::optional<ChatRow> DialedData::row(ChatRow row) const {
  const std::string_view kind = omission_of(row.kind);
  if (lacks(kind) || (row.kind == ChatRowKind::kUnknownUnderRule && lacks("unknown")))
    return std::nullopt;
  if (lacks("rules"))
    std::erase_if(row.messages, [](const WorldMessage& m) { return m.role == "system"; });
  for (WorldMessage& message : row.messages) message.content = renamed(message.content, names_);
  return row;
}

std::optional<WorldPair> DialedData::pair(WorldPair pair) {
  constexpr std::string_view kPairs[] = {"style_pairs", "harmful_pairs", "benign_pairs",
                                         "knowing_pairs"};
  if (lacks(kPairs[static_cast<size_t>(pair.kind)])) return std::nullopt;
  const bool of_harm = pair.kind == PairKind::kHarmful || pair.kind == PairKind::kBenign;
  if (of_harm && dials_.inverted_pairs) std::swap(pair.chosen, pair.rejected);
  if (pair.kind != PairKind::kStyle || !pair_rng_.chance(dials_.false_pairs)) return pair;
  return draw_false_pair(pair_rng_, world_);
}

}  // namespace minillm::world
