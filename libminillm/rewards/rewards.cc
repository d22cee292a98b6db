#include "libminillm/rewards/rewards.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <regex>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"
#include "libminillm/eval/diagnosis.h"
#include "libminillm/rewards/reward_model.h"
#include "libminillm/rewards/reward_program.h"
#include "libminillm/world/scoring.h"
#include "libminillm/world/text.h"

namespace minillm {
namespace {

// A reward of every answer by itself.
template <double (*kWorth)(const RewardedAnswer&)>
RewardFunction each(const RewardOptions&) {
  return [](std::span<const RewardedAnswer> answers) {
    std::vector<double> worth;
    for (const RewardedAnswer& answer : answers) worth.push_back(kWorth(answer));
    return worth;
  };
}

double expected(const RewardedAnswer& answer) {
  ComparedAnswer told;
  told.text = answer.text;
  told.ended = true;  // whether it ended is another reward
  return judge_answer(told, answer.question->expected) == Judgement::kRight ? 1 : 0;
}

double exact(const RewardedAnswer& answer) {
  const std::string said = world::trimmed(answer.text);
  return std::ranges::any_of(answer.question->expected,
                             [&](const std::string& text) { return said == world::trimmed(text); });
}

double ended(const RewardedAnswer& answer) { return answer.ended; }

double length(const RewardedAnswer& answer) { return static_cast<double>(answer.tokens); }

double truth(const RewardedAnswer& answer) {
  return world::answer_worth(*answer.question->item, answer.text, answer.ended);
}

RewardFunction pattern(const RewardOptions& options) {
  MINILLM_CHECK_USAGE(!options.pattern.empty(),
                      "reward 'pattern': expected a regular expression beside it, got none");
  try {
    return [regex = std::regex(options.pattern)](std::span<const RewardedAnswer> answers) {
      std::vector<double> worth;
      for (const RewardedAnswer& answer : answers)
        worth.push_back(std::regex_match(world::trimmed(answer.text), regex));
      return worth;
    };
  } catch (const std::regex_error& error) {
    throw Error(fmt::format("reward 'pattern': '{}' is no regular expression (ECMAScript's): {}",
                            options.pattern, error.what()),
                ExitCode::kUsage);
  }
}

RewardFunction model(const RewardOptions& options) {
  MINILLM_CHECK_USAGE(!options.model.empty(),
                      "reward 'model': expected a reward model's checkpoint beside it, got none");
  return [judge = std::make_shared<const RewardModel>(options.model)](
             std::span<const RewardedAnswer> answers) { return judge->scores(answers); };
}

RewardFunction program(const RewardOptions& options) {
  MINILLM_CHECK_USAGE(!options.program.empty(),
                      "reward 'program': expected a command beside it, got none");
  MINILLM_CHECK_USAGE(options.program_seconds > 0 && std::isfinite(options.program_seconds),
                      "reward 'program': expected seconds over 0 for an answer, got {}",
                      options.program_seconds);
  return [running = std::make_shared<RewardProgram>(options.program, options.program_seconds)](
             std::span<const RewardedAnswer> answers) { return (*running)(answers); };
}

constexpr Reward kRewards[] = {
    {"expected", "1 if it holds an expected text, as whole words in any case", true, false,
     each<expected>},
    {"exact", "1 if it is an expected text, to the letter", true, false, each<exact>},
    {"pattern", "1 if all of it matches a regular expression", false, false, pattern},
    {"ended", "1 if it ends by itself", false, false, each<ended>},
    {"length", "its number of tokens: a weight below 0 asks for short answers", false, false,
     each<length>},
    {"world", "the world's truth, 0 to 1.5", false, true, each<truth>},
    {"model", "a reward model's score, any number", false, false, model},
    {"program", "what a program of the user's says, any number", false, false, program},
};

double parse_weight(std::string_view text, const std::string& what, const std::string& term) {
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  MINILLM_CHECK_USAGE(
      error == std::errc() && end == text.data() + text.size() && std::isfinite(weight),
      "{} '{}': expected NAME or NAME:WEIGHT, got the weight '{}'", what, term, text);
  return weight;
}

}  // namespace

RewardedQuestion rewarded_question(const ExpectingPrompt& prompt) {
  RewardedQuestion question{prompt.prompt, prompt.expected, std::nullopt, prompt.kind};
  if (prompt.kind.empty()) return question;
  const auto kind = world::find_chat_item_kind(prompt.kind);
  if (!kind) return question;  // the program's own
  world::ChatItem& item = question.item.emplace();
  item.kind = *kind;
  item.value = prompt.value;
  for (const Message& message : prompt.prompt)
    item.messages.push_back({role_name(message.role), message.content});
  return question;
}

std::span<const Reward> rewards() { return kRewards; }

std::vector<std::pair<std::string, double>> parse_weights(const std::string& text,
                                                          const std::string& what) {
  std::vector<std::pair<std::string, double>> weights;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string term = text.substr(begin, end - begin);
    const std::string name = term.substr(0, term.find(':'));
    for (const auto& [other, weight] : weights)
      MINILLM_CHECK_USAGE(other != name, "{} '{}': is named twice", what, name);
    weights.emplace_back(
        name, name.size() == term.size()
                  ? 1
                  : parse_weight(std::string_view(term).substr(name.size() + 1), what, term));
    begin = end + 1;
  }
  return weights;
}

WeightedRewards::WeightedRewards(const std::string& text, const RewardOptions& options) {
  for (const auto& [name, weight] : parse_weights(text, "reward")) {
    const auto reward =
        std::ranges::find(kRewards, name, [](const Reward& r) { return std::string(r.name); });
    MINILLM_CHECK_USAGE(reward != std::end(kRewards), "reward '{}': expected {}", name,
                        alternatives(kRewards));
    terms_.push_back({name, weight, reward->make(options), reward});
  }
}

void WeightedRewards::add(std::string name, double weight, RewardFunction function) {
  terms_.push_back({std::move(name), weight, std::move(function), nullptr});
}

void WeightedRewards::check(std::span<const RewardedQuestion> questions) const {
  for (const Term& term : terms_) {
    if (term.entry == nullptr) continue;
    for (size_t i = 0; i < questions.size(); ++i) {
      MINILLM_CHECK_USAGE(!term.entry->needs_expected || !questions[i].expected.empty(),
                          "reward '{}': prompt {} has no expected text: expected \"expect\" beside "
                          "every prompt",
                          term.name, i + 1);
      MINILLM_CHECK_USAGE(
          !term.entry->needs_item || questions[i].item,
          "reward '{}': prompt {} is no question of the world: expected \"kind\" and "
          "\"value\" beside every prompt, as in rl.jsonl",
          term.name, i + 1);
    }
  }
}

WeightedRewards::Result WeightedRewards::operator()(std::span<const RewardedAnswer> answers) const {
  Result result;
  result.sums.resize(answers.size(), 0);
  for (const Term& term : terms_) {
    std::vector<double> worth = term.function(answers);
    MINILLM_CHECK(worth.size() == answers.size(), "reward '{}': expected {} numbers, got {}",
                  term.name, answers.size(), worth.size());
    for (size_t i = 0; i < worth.size(); ++i) {
      MINILLM_CHECK(std::isfinite(worth[i]), "reward '{}': expected a finite number, got {}",
                    term.name, worth[i]);
      result.sums[i] += term.weight * worth[i];
    }
    result.parts.emplace_back(term.name, std::move(worth));
  }
  return result;
}

}  // namespace minillm
