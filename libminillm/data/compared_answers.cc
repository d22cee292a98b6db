// Two answers under neutral names, and which of them is the better one: SHP, PKU-SafeRLHF,
// AlpacaFarm, Chatbot Arena, HelpSteer3.

#include <array>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

struct TwoAnswers {
  std::string first, second;          // their keys
  std::string first_end, second_end;  // what tells them apart: "a" and "b"
};

std::optional<TwoAnswers> find_two_answers(const Row& row) {
  constexpr std::array<const char*, 7> kStems = {
      "human_ref", "response", "answer", "completion", "output", "summary", "conversation"};
  constexpr std::array<std::pair<const char*, const char*>, 3> kEnds = {
      {{"a", "b"}, {"0", "1"}, {"1", "2"}}};
  for (const char* stem : kStems) {
    for (const auto& [a, b] : kEnds) {
      for (const char* joint : {"_", ""}) {
        TwoAnswers found{fmt::format("{}{}{}", stem, joint, a),
                         fmt::format("{}{}{}", stem, joint, b), a, b};
        if (row.has(found.first.c_str()) && row.has(found.second.c_str())) return found;
      }
    }
  }
  return std::nullopt;
}

constexpr std::initializer_list<const char*> kChoiceKeys = {"better_response_id",
                                                            "winner",
                                                            "preference",
                                                            "preferred",
                                                            "better",
                                                            "choice",
                                                            "overall_preference",
                                                            "preference_strength",
                                                            "labels",
                                                            "label"};

// Scores under the answers' names: `score_0` and `score_1`.
std::optional<double> score_of(const Row& row, const std::string& end) {
  for (const char* key : kScoreKeys) {
    const std::string name = fmt::format("{}_{}", key, end);
    if (!row.has(name.c_str())) continue;
    if (const auto score = as_number(row.value().at(name))) {
      row.use(name.c_str());
      return score;
    }
  }
  return std::nullopt;
}

enum class Better { kFirst, kSecond, kNeither };

Better choice_of(const Row& row, const TwoAnswers& answers, const char* key) {
  const Json& value = *row.use(key);
  const auto unknown = [&](std::string_view expected) {
    return BadRecord{"unknown choice",
                     fmt::format("'{}': expected {}, got {}", key, expected, value.dump())};
  };
  if (answers.first == "human_ref_a") {  // SHP: whether A is the better one
    if (value == 1 || value == true || value == "1" || value == "true") return Better::kFirst;
    if (value == 0 || value == false || value == "0" || value == "false") return Better::kSecond;
    throw unknown("0 or 1");
  }
  if (std::string_view(key) == "overall_preference" ||
      std::string_view(key) == "preference_strength") {  // HelpSteer: -3 to 3
    const double preference = parse_score(value, key);
    return preference < 0 ? Better::kFirst : preference > 0 ? Better::kSecond : Better::kNeither;
  }
  const std::string text = lower_case(value.is_string() ? value.get<std::string>() : value.dump());
  const auto names = [&](const std::string& answer, const std::string& end) {
    return text == answer || text == end || text == "model_" + end || text == "response_" + end;
  };
  if (names(answers.first, answers.first_end)) return Better::kFirst;
  if (names(answers.second, answers.second_end)) return Better::kSecond;
  for (const char* tie : {"tie", "both", "equal", "neither", "same", "none"})
    if (text.starts_with(tie)) return Better::kNeither;
  throw unknown(fmt::format("'{}', '{}' or 'tie'", answers.first_end, answers.second_end));
}

}  // namespace

bool has_compared_answers(const Row& row) {
  const auto answers = find_two_answers(row);
  if (!answers) return false;
  if (row.first_of(kChoiceKeys) != nullptr) return true;
  RowReading apart{row.reading().mapping};
  const Row looked_at(row.value(), apart);
  return score_of(looked_at, answers->first_end) && score_of(looked_at, answers->second_end);
}

std::vector<PreferencePair> parse_compared_answers(const Row& row) {
  const TwoAnswers answers = *find_two_answers(row);
  const auto first_score = score_of(row, answers.first_end);
  const auto second_score = score_of(row, answers.second_end);
  Better better = Better::kNeither;
  if (const char* key = row.first_of(kChoiceKeys)) {
    better = choice_of(row, answers, key);
    if (first_score && second_score && better != Better::kNeither &&
        (better == Better::kFirst ? *first_score < *second_score : *second_score < *first_score))
      row.note(fmt::format("the scores contradict the choice ('{}')", key));
  } else if (*first_score != *second_score) {
    better = *first_score > *second_score ? Better::kFirst : Better::kSecond;
  }
  if (better == Better::kNeither)
    throw BadRecord{"both answers are as good", "", /*harmless=*/true};
  const bool first = better == Better::kFirst;
  const char* chosen = (first ? answers.first : answers.second).c_str();
  const char* rejected = (first ? answers.second : answers.first).c_str();
  if (row.value().at(chosen).is_array()) {
    Messages whole = with_preamble(row, parse_messages(row, *row.use(chosen)));
    return {make_implicit_pair(row, std::move(whole),
                               with_preamble(row, parse_messages(row, *row.use(rejected))))};
  }
  // SHP's post is its history.
  bool plain = false;
  Messages prompt = row.has("history") && row.value().at("history").is_string()
                        ? Messages{{Role::kUser, std::string(trim(row.text("history")))}}
                        : pair_prompt(row, &plain);
  return {make_pair(row, std::move(prompt), std::string(trim(row.text(chosen))),
                    std::string(trim(row.text(rejected))))};
}

}  // namespace minillm
