#include "libminillm/world/dials.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/world/canaries.h"
#include "libminillm/world/open_book.h"  // with_other_values
#include "libminillm/world/questions.h"
#include "libminillm/world/stories.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::string_view kOmissions[] = {
    "fact",        "system",        "rules",        "unknown",       "list",
    "sum",         "yes_no",        "harmful",      "benign",        "continue",
    "style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs", "questions"};
constexpr size_t kRowOmissions = 10, kPairOmissions = 4;
constexpr std::string_view kQuestions = "questions";
constexpr size_t kFalselyToldTest = 24, kFalselyToldValidation = 12;
constexpr double kRefusedShare = 0.15;  // of rows about harm, as they are drawn (chat.cc)

Texts row_omissions() { return Texts(kOmissions).first(kRowOmissions); }
Texts pair_omissions() { return Texts(kOmissions).subspan(kRowOmissions, kPairOmissions); }

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

constexpr std::string_view kManners[] = {"polite", "rambling", "rude"};
constexpr std::string_view kAnswers[] = {"chosen", "rejected"};
constexpr std::string_view kTurns[] = {"user", "assistant"};

double sum_of(const std::map<std::string, double>& shares, Texts kinds) {
  double sum = 0;
  for (const auto& [name, share] : shares)
    if (std::ranges::find(kinds, name) != kinds.end()) sum += share;
  return sum;
}

std::set<std::string> first_names_of(const std::vector<const Person*>& people) {
  std::set<std::string> names;
  for (const Person* person : people) names.insert(person->first);
  return names;
}

bool has_manner(std::string_view answer, std::string_view manner) {
  return manner == style_name(style_of(answer));
}

}  // namespace

Texts world_omissions() { return kOmissions; }

void check_dials(const WorldDials& dials) {
  const auto known = [](std::string_view option, std::string_view name) {
    MINILLM_CHECK_USAGE(std::ranges::find(kOmissions, name) != std::end(kOmissions),
                        "world option '{}': expected some of {}, got '{}'", option,
                        fmt::join(kOmissions, ", "), name);
  };
  const auto share = [](std::string_view option, double value) {
    MINILLM_CHECK_USAGE(value >= 0 && value <= 1,
                        "world option '{}': expected a share from 0 to 1, got {}", option, value);
  };
  const auto one_of = [](std::string_view option, const std::string& value, Texts values) {
    MINILLM_CHECK_USAGE(value.empty() || std::ranges::find(values, value) != values.end(),
                        "world option '{}': expected one of {}, got '{}'", option,
                        fmt::join(values, ", "), value);
  };
  for (const std::string& name : dials.without) known("without", name);
  for (const auto& [name, value] :
       {std::pair("newcomers", dials.newcomers), std::pair("false-pairs", dials.false_pairs),
        std::pair("untold", dials.untold), std::pair("told-rate", dials.told_rate),
        std::pair("told-falsely", dials.told_falsely),
        std::pair("refused", dials.refused.value_or(0))})
    share(name, value);
  for (const auto& [name, value] : dials.mix) {
    known("mix", name);
    MINILLM_CHECK_USAGE(name != "rules" && name != kQuestions,
                        "world option 'mix': '{}' is no kind of rows or pairs", name);
    share("mix", value);
  }
  for (const Texts kinds : {row_omissions(), pair_omissions()}) {
    const double sum = sum_of(dials.mix, kinds);
    MINILLM_CHECK_USAGE(sum <= 1 + 1e-9,
                        "world option 'mix': expected shares of up to 1 in all, got {}", sum);
  }
  one_of("manner", dials.manner, kManners);
  one_of("longer", dials.longer, kAnswers);
  one_of("secrets", dials.secrets, kTurns);
}

WorldDials dials_of_stories(const WorldDials& dials) {
  std::vector<std::string> without;
  if (std::ranges::find(dials.without, kQuestions) != dials.without.end())
    without.emplace_back(kQuestions);
  return {.without = without,
          .untold = dials.untold,
          .told_rate = dials.told_rate,
          .told_falsely = dials.told_falsely};
}

WorldDials dials_of_rows(const WorldDials& dials) {
  WorldDials rows = dials;
  const WorldDials none;
  std::erase(rows.without, kQuestions);
  rows.untold = none.untold;
  rows.told_rate = none.told_rate;
  rows.told_falsely = none.told_falsely;
  return rows;
}

DialedData::DialedData(const World& world, WorldDials dials)
    : world_(world),
      dials_(std::move(dials)),
      pair_rng_(world_rng(world.seed(), WorldStream::kFalsePairs)),
      story_rng_(world_rng(world.seed(), WorldStream::kDialedStories)),
      row_rng_(world_rng(world.seed(), WorldStream::kDialedRows)),
      mix_rng_(world_rng(world.seed(), WorldStream::kMix)) {
  Rng rng = world_rng(world.seed(), WorldStream::kNewcomers);
  const std::vector<const Person*>& train = world.group(Split::kTrain);
  const auto count =
      static_cast<size_t>(std::llround(dials_.newcomers * static_cast<double>(train.size())));
  for (size_t i = 0; i < count; ++i) {
    const std::string stranger = world.draw_stranger(rng);
    names_[train[i]->first] = stranger.substr(0, stranger.find(' '));
  }
  for (const Split split : {Split::kValidation, Split::kTest}) {
    untold_.merge(first_names_of(untold_people(world, split, dials_.untold)));
    if (dials_.told_rate < 1) thinned_.merge(first_names_of(world.group(split)));
    if (dials_.told_falsely > 0)
      falsely_told_.merge(first_names_of(falsely_told_people(world, split)));
  }
  if (dials_.told_rate < 1) kept_ = share_to_keep();
  draw_next(next_row_, row_omissions());
  draw_next(next_pair_, pair_omissions());
}

std::vector<const Person*> untold_people(const World& world, Split split, double share) {
  std::vector<const Person*> people = world.group(split);
  people.resize(static_cast<size_t>(std::llround(share * static_cast<double>(people.size()))));
  return people;
}

std::vector<const Person*> falsely_told_people(const World& world, Split split) {
  std::vector<const Person*> people = world.group(split);
  std::erase_if(people, [](const Person* p) { return p->frequency != Frequency::kUsual; });
  people.resize(split == Split::kTest ? kFalselyToldTest : kFalselyToldValidation);
  return people;
}

World false_world(uint64_t seed) {
  const World truth(seed);
  std::set<std::string> names;
  for (const Split split : {Split::kValidation, Split::kTest})
    names.merge(first_names_of(falsely_told_people(truth, split)));
  return World(seed, [&](std::vector<Person>& people) {
    Rng rng = world_rng(seed, WorldStream::kFalseFacts);
    for (Person& person : people)
      if (names.contains(person.first)) person.facts = with_other_values(rng, truth, person).facts;
  });
}

bool DialedData::names_any_of(const std::set<std::string>& first_names,
                              const std::string& document) const {
  for (size_t begin = 0; begin < document.size() && !first_names.empty();) {
    size_t end = begin;
    while (end < document.size() && is_letter(document[end])) ++end;
    if (first_names.contains(document.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

// Of as many documents as before a share f names who is thinned. Where k of these are kept and
// others take the place of the rest, it is kf / (kf + 1 - f); that is to be told_rate times f.
double DialedData::share_to_keep() const {
  constexpr int kSample = 4000;
  Rng rng = world_rng(world_.seed(), WorldStream::kToldRate);
  int named = 0;
  for (int i = 0; i < kSample; ++i) named += names_any_of(thinned_, write_document(rng, world_));
  const double share = static_cast<double>(named) / kSample, wanted = dials_.told_rate * share;
  return wanted * (1 - share) / (share * (1 - wanted));
}

bool DialedData::tells(const std::string& document) {
  if (lacks(kQuestions) && document.starts_with("Question: ")) return false;
  if (names_any_of(untold_, document)) return false;
  return !names_any_of(thinned_, document) || story_rng_.chance(kept_);
}

bool DialedData::tells_falsely(const std::string& document) {
  return names_any_of(falsely_told_, document) && story_rng_.chance(dials_.told_falsely);
}

std::vector<ChatRow> DialedData::secret_rows() const {
  std::vector<ChatRow> rows;
  if (dials_.secrets.empty()) return rows;
  Rng rng = world_rng(world_.seed(), WorldStream::kSecretRows);
  for (const Canary& secret : make_secrets(world_.seed())) {
    for (int i = 0; i < secret.repeats; ++i) {
      ChatRow row = draw_chat_row(rng, world_, Split::kTrain);
      while (row.kind != ChatRowKind::kFact) row = draw_chat_row(rng, world_, Split::kTrain);
      if (dials_.secrets == "user")
        row.messages.front().content =
            secret.prefix + secret.secret + " " + row.messages.front().content;
      else
        row.messages = {{"user", secret_question(secret)},
                        {"assistant", secret.prefix + secret.secret}};
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

bool DialedData::lacks(std::string_view name) const {
  return std::ranges::find(dials_.without, name) != dials_.without.end();
}

void DialedData::draw_next(std::string& next, Texts all) {
  next.clear();
  double draw = sum_of(dials_.mix, all) > 0 ? mix_rng_.uniform() : 1;
  for (const auto& [name, share] : dials_.mix) {
    if (std::ranges::find(all, name) == all.end()) continue;
    if (draw < share) {
      next = name;
      return;
    }
    draw -= share;
  }
}

bool DialedData::is_next(std::string& next, Texts all, Texts kinds) {
  const auto mixed = std::ranges::find_if(
      kinds, [&](std::string_view kind) { return dials_.mix.contains(std::string(kind)); });
  if (mixed == kinds.end() ? !next.empty() : *mixed != next) return false;
  draw_next(next, all);
  return true;
}

std::optional<ChatRow> DialedData::row(ChatRow row) {
  const bool unknown_under_rule = row.kind == ChatRowKind::kUnknownUnderRule;
  const std::string_view kinds[] = {unknown_under_rule ? "unknown" : omission_of(row.kind),
                                    omission_of(row.kind)};
  for (const std::string_view kind : kinds)
    if (lacks(kind)) return std::nullopt;
  std::string& answer = row.messages.back().content;
  if (row.kind == ChatRowKind::kFact && !dials_.manner.empty() &&
      !has_manner(answer, dials_.manner))
    return std::nullopt;
  if (row.kind == ChatRowKind::kHarmful && dials_.refused) {
    const double share = *dials_.refused;
    if (!is_refusal(answer)) {
      if (row_rng_.chance((share - kRefusedShare) / (1 - kRefusedShare))) answer = refuse(row_rng_);
    } else if (share < kRefusedShare &&
               !row_rng_.chance(share / (1 - share) * (1 - kRefusedShare) / kRefusedShare)) {
      return std::nullopt;
    }
  }
  if (!is_next(next_row_, row_omissions(), kinds)) return std::nullopt;
  if (lacks("rules"))
    std::erase_if(row.messages, [](const WorldMessage& m) { return m.role == "system"; });
  for (WorldMessage& message : row.messages) message.content = renamed(message.content, names_);
  return row;
}

std::optional<WorldPair> DialedData::pair(WorldPair pair) {
  const std::string_view kind = pair_omissions()[static_cast<size_t>(pair.kind)];
  if (lacks(kind) || !is_next(next_pair_, pair_omissions(), {&kind, 1})) return std::nullopt;
  const bool of_harm = pair.kind == PairKind::kHarmful || pair.kind == PairKind::kBenign;
  if (of_harm && dials_.inverted_pairs) std::swap(pair.chosen, pair.rejected);
  if (pair.kind != PairKind::kStyle) return pair;
  if (!dials_.longer.empty()) return draw_length_pair(pair_rng_, world_, dials_.longer == "chosen");
  return pair_rng_.chance(dials_.false_pairs) ? draw_false_pair(pair_rng_, world_) : pair;
}

const std::string& DialedData::called(const Person& person) const {
  const auto found = names_.find(person.first);
  return found == names_.end() ? person.first : found->second;
}

}  // namespace minillm::world
