// Scores and ranks of answers: how they are written, and where they contradict a choice.

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

void note_if_contrary(const Row& row, double chosen, double rejected, const std::string& key,
                      const std::string& other) {
  if (chosen < rejected)
    row.note(fmt::format("the scores contradict the choice ('{}' below '{}')", key, other));
  if (chosen == rejected) row.note(fmt::format("both answers have the same score ('{}')", key));
}

// `score_chosen` and `score_rejected`, in whatever order of the words.
void compare_named_scores(const Row& row) {
  for (const auto& [key, value] : row.value().items()) {
    const size_t at = key.find("chosen");
    if (at == std::string::npos || key == "chosen" || !as_number(value)) continue;
    const std::string other = key.substr(0, at) + "rejected" + key.substr(at + 6);
    if (!row.has(other.c_str()) || !as_number(row.value().at(other))) continue;
    double chosen = *as_number(*row.use(key.c_str()));
    double rejected = *as_number(*row.use(other.c_str()));
    if (key.find("rank") != std::string::npos) std::swap(chosen, rejected);  // 1 is the best
    note_if_contrary(row, chosen, rejected, key, other);
  }
}

// {"chosen": {"content": ..., "score": 1}, "rejected": {"content": ..., "score": 2}}
void compare_scores_within(const Row& row) {
  for (const auto& [first, second] :
       {std::pair("chosen", "rejected"), std::pair("chosen_response", "rejected_response")}) {
    if (!row.has(first) || !row.has(second)) continue;
    const Row chosen = row.child(row.value().at(first)),
              rejected = row.child(row.value().at(second));
    const auto a = goodness(chosen), b = goodness(rejected);
    if (a && b) note_if_contrary(row, *a, *b, fmt::format("{}.score", first), second);
  }
}

// {"rating": [9, 2]}: in the order of `generations`, whose names are in `order`; without them, the
// chosen answer's is the first.
void compare_score_list(const Row& row) {
  for (const char* key : kScoreKeys) {
    if (!row.has(key) || row.has("generations")) continue;
    const Json& scores = row.value().at(key);
    if (!scores.is_array() || scores.size() != 2) continue;
    auto chosen = as_number(scores[0]), rejected = as_number(scores[1]);
    if (!chosen || !rejected) continue;
    row.use(key);
    if (row.has("order") && row.value().at("order").is_array() &&
        !row.value().at("order").empty() && row.value().at("order")[0] == "rejected")
      std::swap(chosen, rejected);
    note_if_contrary(row, *chosen, *rejected, fmt::format("{}[0]", key), fmt::format("{}[1]", key));
  }
}

}  // namespace

std::optional<double> as_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  try {
    size_t end = 0;
    const auto& text = value.get_ref<const std::string&>();
    const double result = std::stod(text, &end);
    if (end == text.size()) return result;
  } catch (const std::exception&) {  // no number
  }
  return std::nullopt;
}

double parse_score(const Json& value, const char* key) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (const auto number = as_number(value)) return *number;
  throw BadRecord{"wrong type",
                  fmt::format("'{}': expected a number, got {}", key, value.type_name())};
}

std::optional<double> goodness(const Row& row) {
  if (const char* key = row.first_of(kScoreKeys)) return parse_score(*row.use(key), key);
  if (const char* key = row.first_of(kRankKeys)) return -parse_score(*row.use(key), key);
  return std::nullopt;
}

double margin_of(const Row& row) {
  const Json* margin = row.use("margin");
  const auto number = margin == nullptr ? std::nullopt : as_number(*margin);
  return number && std::isfinite(*number) && *number > 0 ? *number : 0;
}

void note_contradictions(const Row& row) {
  if (!answer_keys(row)) return;  // the scores themselves are the choice
  compare_named_scores(row);
  compare_scores_within(row);
  compare_score_list(row);
  if (const Json* margin = row.use("margin"))
    if (const auto number = as_number(*margin); number && *number < 0)
      row.note("the scores contradict the choice ('margin' below 0)");
}

}  // namespace minillm
