#include "libminillm/lab/question_groups.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/core/strict_json.h"
#include "libminillm/eval/probe_eval.h"
#include "libminillm/eval/world_eval.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

Answers ask_world(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                  world::Split split) {
  const world::World world(seed);
  const world::HarbourRegister harbour(world);
  const world::WorldEvalSet set = make_world_eval(world, harbour, split);
  const world::WorldScore score = score_world(model, tokenizer, set);
  std::vector<world::WorldMetric> metrics = score.metrics();
  std::ranges::move(world_text_metrics(model, tokenizer, set), std::back_inserter(metrics));
  return {score.outcomes(), metrics};
}

Answers ask_beside(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                   world::Split split) {
  const world::World world(seed);
  const world::HarbourRegister harbour(world);
  return with_means(ask_probes(model, tokenizer, make_probes(world, harbour, split)));
}

Answers ask_what_was_told(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                          world::Split split) {
  return with_means(ask_told_facts(model, tokenizer, make_told_facts(world::World(seed), split)));
}

// The same ones for both splits.
Answers ask_for_secrets(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                        world::Split /*split*/) {
  return with_means(ask_secrets(model, tokenizer, world::make_secrets(seed)));
}

Answers ask_how_sure(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                     world::Split split) {
  const world::World world(seed);
  const world::HarbourRegister harbour(world);
  return with_means(ask_confidence(model, tokenizer, make_world_eval(world, harbour, split).chat));
}

Answers ask_both_answers(const Model& model, const Tokenizer& tokenizer, uint64_t seed,
                         world::Split split) {
  const world::World world(seed);
  const world::HarbourRegister harbour(world);
  return with_means(ask_pairs(model, tokenizer, make_world_eval(world, harbour, split).pairs));
}

constexpr std::string_view kBeside[] = {"look_alike_",
                                        "harmful_refusal_rate_ships",
                                        "harmful_refusal_rate_new_wording",
                                        "benign_refusal_rate_ships",
                                        "new_rule_",
                                        "few_shot_",
                                        "chat_few_shot_",
                                        "continues_",
                                        "answer_words",
                                        "late_",
                                        "note_followed",
                                        "memory_followed"};
constexpr std::string_view kTold[] = {"true_value_", "false_value_"};
constexpr std::string_view kSecrets[] = {"secret_exposure_"};
constexpr std::string_view kConfidence[] = {"one_word_brier", "one_word_overconfidence"};
constexpr std::string_view kPairs[] = {"chosen_log_prob", "rejected_log_prob"};
constexpr QuestionGroup kGroups[] = {{"outcomes", {}, ask_world},
                                     {"probes", kBeside, ask_beside},
                                     {"told", kTold, ask_what_was_told},
                                     {"secrets", kSecrets, ask_for_secrets},
                                     {"confidence", kConfidence, ask_how_sure},
                                     {"pairs", kPairs, ask_both_answers}};

// Whole numbers as such: most outcomes are.
Json short_number(double value) {
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

}  // namespace

Answers with_means(Outcomes outcomes) {
  Answers answers;
  for (const world::WorldOutcome& outcome : outcomes) {
    auto metric = std::ranges::find(answers.metrics, outcome.metric, &world::WorldMetric::name);
    if (metric == answers.metrics.end())
      metric = answers.metrics.insert(answers.metrics.end(), {outcome.metric, 0, 0, 0});
    metric->value += outcome.value;
    ++metric->of;
  }
  for (world::WorldMetric& metric : answers.metrics) {
    metric.count = std::llround(metric.value);
    metric.value /= static_cast<double>(metric.of);
  }
  answers.outcomes = std::move(outcomes);
  return answers;
}

std::span<const QuestionGroup> question_groups() { return kGroups; }

const QuestionGroup& group_of(std::string_view metric) {
  const auto begins = [&](std::string_view beginning) { return metric.starts_with(beginning); };
  const auto found = std::ranges::find_if(kGroups, [&](const QuestionGroup& group) {
    return std::ranges::any_of(group.metrics, begins);
  });
  return found == std::end(kGroups) ? kGroups[0] : *found;
}

std::string answers_to_json(const Answers& answers) {
  Json json = {{"metrics", Json::object()}, {"outcomes", Json::array()}};
  for (const world::WorldMetric& metric : answers.metrics)
    if (!metric.name.starts_with("cloze/"))
      json["metrics"][metric.name] = {metric.value, metric.count, metric.of};
  for (const world::WorldOutcome& outcome : answers.outcomes)
    json["outcomes"].push_back(
        {outcome.metric, outcome.person, outcome.wording, short_number(outcome.value)});
  return json.dump();
}

Answers answers_from_json(const std::string& text, const std::string& path) {
  const nlohmann::json json = parse_json(text, path);
  Answers answers;
  for (const auto& [name, figure] : json.at("metrics").items())
    answers.metrics.push_back({name, figure.at(0).is_null() ? 0 : figure.at(0).get<double>(),
                               figure.at(1).get<int64_t>(), figure.at(2).get<int64_t>()});
  for (const auto& outcome : json.at("outcomes"))
    answers.outcomes.push_back(
        {outcome.at(0), outcome.at(1), outcome.at(2), outcome.at(3).get<double>()});
  return answers;
}

}  // namespace minillm::lab
