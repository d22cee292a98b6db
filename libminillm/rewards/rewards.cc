#include "libminillm/rewards/rewards.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"
#include "libminillm/eval/diagnosis.h"
#include "libminillm/world/scoring.h"
#include "libminillm/world/text.h"

namespace minillm {
namespace {

double expected(const RewardedQuestion& question, const RewardedAnswer& answer) {
  ComparedAnswer told;
  told.text = answer.text;
  told.ended = true;  // whether it ended is another reward
  return judge_answer(told, question.expected) == Judgement::kRight ? 1 : 0;
}

double exact(const RewardedQuestion& question, const RewardedAnswer& answer) {
  const std::string said = world::trimmed(answer.text);
  return std::ranges::any_of(question.expected,
                             [&](const std::string& text) { return said == world::trimmed(text); });
}

double ended(const RewardedQuestion&, const RewardedAnswer& answer) { return answer.ended; }

double length(const RewardedQuestion&, const RewardedAnswer& answer) {
  return static_cast<double>(answer.tokens);
}

double truth(const RewardedQuestion& question, const RewardedAnswer& answer) {
  return world::answer_worth(*question.item, answer.text, answer.ended);
}

constexpr Reward kRewards[] = {
    {"expected", "1 if it holds an expected text, as whole words in any case", true, false,
     expected},
    {"exact", "1 if it is an expected text, to the letter", true, false, exact},
    {"ended", "1 if it ends by itself", false, false, ended},
    {"length", "its number of tokens: a weight below 0 asks for short answers", false, false,
     length},
    {"world", "the world's truth, 0 to 1.5", false, true, truth},
};

double parse_weight(std::string_view text, const std::string& term) {
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  MINILLM_CHECK_USAGE(
      error == std::errc() && end == text.data() + text.size() && std::isfinite(weight),
      "reward '{}': expected NAME or NAME:WEIGHT, got the weight '{}'", term, text);
  return weight;
}

}  // namespace

RewardedQuestion rewarded_question(const ExpectingPrompt& prompt) {
  RewardedQuestion question{prompt.prompt, prompt.expected, std::nullopt};
  if (prompt.kind.empty()) return question;
  const auto kind = world::find_chat_item_kind(prompt.kind);
  MINILLM_CHECK(kind, "\"kind\": expected one of the world's questions, got '{}'", prompt.kind);
  world::ChatItem& item = question.item.emplace();
  item.kind = *kind;
  item.value = prompt.value;
  for (const Message& message : prompt.prompt)
    item.messages.push_back({role_name(message.role), message.content});
  return question;
}

std::span<const Reward> rewards() { return kRewards; }

WeightedRewards::WeightedRewards(const std::string& text) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string term = text.substr(begin, end - begin);
    const std::string name = term.substr(0, term.find(':'));
    const auto reward =
        std::ranges::find(kRewards, name, [](const Reward& r) { return std::string(r.name); });
    MINILLM_CHECK_USAGE(reward != std::end(kRewards), "reward '{}': expected {}", name,
                        alternatives(kRewards));
    for (const auto& [other, weight] : terms_)
      MINILLM_CHECK_USAGE(other != reward, "reward '{}': is named twice", name);
    const double weight = name.size() == term.size()
                              ? 1
                              : parse_weight(std::string_view(term).substr(name.size() + 1), term);
    terms_.emplace_back(reward, weight);
    begin = end + 1;
  }
}

void WeightedRewards::check(std::span<const RewardedQuestion> questions) const {
  for (const auto& [reward, weight] : terms_) {
    for (size_t i = 0; i < questions.size(); ++i) {
      MINILLM_CHECK_USAGE(!reward->needs_expected || !questions[i].expected.empty(),
                          "reward '{}': prompt {} has no expected text: expected \"expect\" beside "
                          "every prompt",
                          reward->name, i + 1);
      MINILLM_CHECK_USAGE(
          !reward->needs_item || questions[i].item,
          "reward '{}': prompt {} is no question of the world: expected \"kind\" and "
          "\"value\" beside every prompt, as in rl.jsonl",
          reward->name, i + 1);
    }
  }
}

double WeightedRewards::operator()(const RewardedQuestion& question,
                                   const RewardedAnswer& answer) const {
  double sum = 0;
  for (const auto& [reward, weight] : terms_) sum += weight * reward->of(question, answer);
  return sum;
}

Metrics WeightedRewards::parts(const RewardedQuestion& question,
                               const RewardedAnswer& answer) const {
  Metrics parts;
  for (const auto& [reward, weight] : terms_)
    parts.emplace_back(std::string("reward/") + reward->name, reward->of(question, answer));
  return parts;
}

}  // namespace minillm
