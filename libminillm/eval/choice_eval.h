// What a model gets right on public benchmarks, by the field's definitions.
//
// Of every choice the log-probability of its continuation is summed up; the item is right if the
// right choice's sum is the largest (acc), or the largest after division by the answer's length in
// characters (acc_norm), bytes or tokens. Of equal ones the first counts, as numpy's argmax has it.
//
//   acc, acc_norm       lm-evaluation-harness (lm_eval/api/task.py), whose acc_norm divides by
//                       len(choice): code points, without the space in front; OLMo's len_norm
//   bits per byte       of the right answer: - log2 p / bytes, the mean over items as in OLMo
//                       (olmo/eval/downstream.py)
//   centred accuracy    (acc - chance) / (1 - chance) (Li et al. 2024, DataComp-LM,
//                       arXiv:2406.11794); chance is the mean of 1 / choices
//   last words          acc: all tokens of the word are the model's first choice; perplexity:
//                       exp(- mean over items of log p(word)), as the harness has it for LAMBADA

#ifndef LIBMINILLM_EVAL_CHOICE_EVAL_H_
#define LIBMINILLM_EVAL_CHOICE_EVAL_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/eval/choice_items.h"
#include "libminillm/eval/choice_scores.h"
#include "libminillm/eval/statistics.h"

namespace minillm {

// Which choice of an item has the largest value, by each way to count; of equal ones the first.
struct ItemVerdict {
  size_t best = 0, best_per_character = 0, best_per_byte = 0, best_per_token = 0;
  bool tied = false;  // the right choice and another have the same largest sum
};
// REQUIRES an item that was asked.
ItemVerdict judge_item(const ChoiceItem& item, const ItemScore& score);

// A rate, and what may be said of it; nothing of nothing.
struct Rate {
  int64_t count = 0, of = 0;
  std::optional<double> value() const;
  Interval interval() const { return wilson_interval(count, of); }  // 95 %
};

struct ChoiceResult {
  int64_t items = 0;      // asked
  int64_t not_asked = 0;  // for want of room, mostly: ItemScore::problem
  int64_t truncated = 0;  // items whose context lost its beginning
  int64_t divided = 0;    // items with a piece across the boundary: EncodedChoice::divided
  int64_t tied = 0;       // items whose right choice ties with another: right if it comes first
  Rate acc, acc_norm, acc_bytes, acc_tokens;
  // Nothing if no item was asked; centred accuracy also where chance is always right.
  std::optional<double> chance, bits_per_byte;
  std::optional<double> centred(const Rate& rate) const;
};
// `scores`: of every item, or nothing of what was left out. As many as the items.
ChoiceResult evaluate_choices(std::span<const ChoiceItem> items,
                              std::span<const std::optional<ItemScore>> scores);

struct ContinuationResult {
  int64_t items = 0, not_asked = 0, truncated = 0, divided = 0;  // as above
  Rate acc;
  std::optional<double> perplexity;     // per continuation
  std::optional<double> bits_per_byte;  // all bits over all bytes
};
// The same of items with one choice, scored with their most probable tokens.
ContinuationResult evaluate_continuations(std::span<const ChoiceItem> items,
                                          std::span<const std::optional<ItemScore>> scores);

// Code points of valid UTF-8.
int64_t character_count(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CHOICE_EVAL_H_
