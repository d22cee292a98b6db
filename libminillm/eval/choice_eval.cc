#include "libminillm/eval/choice_eval.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

double bits(const ChoiceScore& score) { return -score.logp / std::numbers::ln2; }

template <typename Result>
bool count_item(Result& result, const std::optional<ItemScore>& score) {
  if (!score) return false;
  result.not_asked += !score->problem.empty();
  if (!score->problem.empty()) return false;
  ++result.items;
  result.truncated += score->truncated;
  result.divided += score->divided;
  return true;
}

void add(Rate& rate, bool right) {
  rate.count += right;
  ++rate.of;
}

}  // namespace

int64_t character_count(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<uint8_t>(c) >> 6) != 2; });
}

ItemVerdict judge_item(const ChoiceItem& item, const ItemScore& score) {
  MINILLM_DCHECK(score.choices.size() == item.choices.size() && !item.choices.empty());
  const auto best = [&](auto length) {
    size_t result = 0;
    double largest = 0;
    for (size_t i = 0; i < score.choices.size(); ++i) {
      const double value = score.choices[i].logp / static_cast<double>(length(i));
      if (i == 0 || value > largest) result = i, largest = value;
    }
    return result;
  };
  const auto text = [&](size_t i) { return answer_text(item.choices[i]); };
  ItemVerdict verdict;
  verdict.best = best([](size_t) { return 1; });
  verdict.best_per_character = best([&](size_t i) { return character_count(text(i)); });
  verdict.best_per_byte = best([&](size_t i) { return text(i).size(); });
  verdict.best_per_token = best([&](size_t i) { return score.choices[i].tokens; });
  const double right = score.choices[item.right].logp;
  verdict.tied = score.choices[verdict.best].logp == right &&
                 std::ranges::count(score.choices, right, &ChoiceScore::logp) > 1;
  return verdict;
}

std::optional<double> Rate::value() const {
  if (of == 0) return {};
  return static_cast<double>(count) / static_cast<double>(of);
}

std::optional<double> ChoiceResult::centred(const Rate& rate) const {
  if (!chance || *chance == 1) return {};
  return (*rate.value() - *chance) / (1 - *chance);
}

ChoiceResult evaluate_choices(std::span<const ChoiceItem> items,
                              std::span<const std::optional<ItemScore>> scores) {
  MINILLM_DCHECK(items.size() == scores.size());
  ChoiceResult result;
  double chance = 0, bits_per_byte = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!count_item(result, scores[i])) continue;
    const ChoiceItem& item = items[i];
    const ItemVerdict verdict = judge_item(item, *scores[i]);
    add(result.acc, verdict.best == item.right);
    add(result.acc_norm, verdict.best_per_character == item.right);
    add(result.acc_bytes, verdict.best_per_byte == item.right);
    add(result.acc_tokens, verdict.best_per_token == item.right);
    result.tied += verdict.tied;
    chance += 1 / static_cast<double>(item.choices.size());
    bits_per_byte += bits(scores[i]->choices[item.right]) /
                     static_cast<double>(answer_text(item.choices[item.right]).size());
  }
  if (result.items > 0) {
    result.chance = chance / static_cast<double>(result.items);
    result.bits_per_byte = bits_per_byte / static_cast<double>(result.items);
  }
  return result;
}

ContinuationResult evaluate_continuations(std::span<const ChoiceItem> items,
                                          std::span<const std::optional<ItemScore>> scores) {
  MINILLM_DCHECK(items.size() == scores.size());
  ContinuationResult result;
  double logp = 0, all_bits = 0, bytes = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!count_item(result, scores[i])) continue;
    const ChoiceScore& score = scores[i]->choices.front();
    add(result.acc, score.greedy());
    logp += score.logp;
    all_bits += bits(score);
    bytes += static_cast<double>(answer_text(items[i].choices.front()).size());
  }
  if (result.items > 0) {
    result.perplexity = std::exp(-logp / static_cast<double>(result.items));
    result.bits_per_byte = all_bits / bytes;
  }
  return result;
}

}  // namespace minillm
