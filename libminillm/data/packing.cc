#include "libminillm/data/packing.h"

#include <algorithm>
#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm {
namespace {

constexpr Index kMaxEpochsKept = 4096;
constexpr uint64_t kShuffleStream = 0x73687566666c65;  // "shuffle": independent of all other draws

// Feeds `tokens` as one segment, after the virtual tokens, and returns it.
Segment append_beginning(TokenBatch& batch, std::span<const Token> tokens) {
  const Index begin = batch.rows();
  if (tokens.empty()) return {begin, begin, 0, 0};
  for (Index i = -batch.virtual_tokens; i < 0; ++i) batch.tokens.push_back(static_cast<Token>(i));
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
  batch.segments.push_back({begin, batch.rows(), 0, 0});
  return batch.segments.back();
}

// Feeds `tokens` as one segment with prefix [prefix_begin, prefix_end); returns its first row.
Index append_continuation(TokenBatch& batch, std::span<const Token> tokens, Index prefix_begin,
                          Index prefix_end) {
  const Index begin = batch.rows();
  if (tokens.empty()) return begin;
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
  batch.segments.push_back({begin, batch.rows(), prefix_begin, prefix_end});
  return begin;
}

// An answer to the prompt in rows [prompt_begin, prompt_end). The prompt's last row predicts the
// answer's first token, so all but the answer's last token are fed.
void append_answer(TokenBatch& batch, std::span<const Token> answer, Index prompt_begin,
                   Index prompt_end) {
  if (answer.empty()) return;  // a pair of which one answer is judged by itself
  const auto fed = answer.first(answer.size() - 1);
  const Index begin = append_continuation(batch, fed, prompt_begin, prompt_end);
  batch.targets.push_back({prompt_end - 1, answer[0], 1});
  for (size_t i = 1; i < answer.size(); ++i) {
    batch.targets.push_back({begin + static_cast<Index>(i) - 1, answer[i], 1});
  }
}

Index size_of(const std::vector<Token>& tokens) { return static_cast<Index>(tokens.size()); }

template <typename Item, typename Positions>
Index erase_longer(std::vector<Item>& items, Index max_positions, Positions positions) {
  return static_cast<Index>(
      std::erase_if(items, [&](const Item& item) { return positions(item) > max_positions; }));
}

}  // namespace

void append_sequence(TokenBatch& batch, const RenderedSequence& sequence) {
  MINILLM_DCHECK(sequence.tokens.size() == sequence.supervised.size());
  if (sequence.tokens.size() < 2) return;
  const auto fed = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
  const Index begin = append_beginning(batch, fed).begin + batch.virtual_tokens;
  for (size_t i = 1; i < sequence.tokens.size(); ++i) {
    if (sequence.supervised[i]) {
      batch.targets.push_back({begin + static_cast<Index>(i) - 1, sequence.tokens[i], 1});
    }
  }
}

void append_text(TokenBatch& batch, std::span<const Token> tokens) {
  if (tokens.size() < 2) return;
  const Index begin =
      append_beginning(batch, tokens.first(tokens.size() - 1)).begin + batch.virtual_tokens;
  for (size_t i = 1; i < tokens.size(); ++i) {
    batch.targets.push_back({begin + static_cast<Index>(i) - 1, tokens[i], 1});
  }
}

void append_answers(TokenBatch& batch, std::span<const Token> prompt, Answers answers) {
  const Segment shared = append_beginning(batch, prompt);
  for (const std::span<const Token> answer : answers)
    append_answer(batch, answer, shared.begin, shared.end);
}

bool fed_alike(const Tail& before, const Tail& tail) {
  return std::ranges::equal(before.tokens.first(before.tokens.size() - 1),
                            tail.tokens.first(tail.tokens.size() - 1));
}

void append_tails(TokenBatch& batch, std::span<const Token> prefix, std::span<const Tail> tails) {
  const Segment shared = append_beginning(batch, prefix);
  Index begin = shared.end;
  for (size_t t = 0; t < tails.size(); ++t) {
    const auto& [tokens, first] = tails[t];
    if (t == 0 || !fed_alike(tails[t - 1], tails[t]))
      begin = append_continuation(batch, tokens.first(tokens.size() - 1), shared.begin, shared.end);
    for (Index i = first; i < std::ssize(tokens); ++i)
      batch.targets.push_back(
          {i == 0 ? shared.end - 1 : begin + i - 1, tokens[static_cast<size_t>(i)], 1});
  }
}

void append_scored_answers(TokenBatch& batch, std::span<const Token> prompt, Answers answers) {
  const Segment shared = append_beginning(batch, prompt);
  for (const std::span<const Token> answer : answers) {
    append_continuation(batch, answer, shared.begin, shared.end);
    batch.targets.push_back({batch.rows() - 1, 0, 1});
  }
}

PairTargets append_pair(TokenBatch& batch, const RenderedPair& pair) {
  MINILLM_CHECK(
      !pair.prompt.empty() && !(pair.chosen.empty() && pair.rejected.empty()),
      "preference pair: expected a prompt and an answer, got {} tokens, and {} chosen and {} "
      "rejected ones",
      pair.prompt.size(), pair.chosen.size(), pair.rejected.size());
  const Segment prompt = append_beginning(batch, pair.prompt);
  PairTargets targets;
  targets.chosen_begin = batch.target_count();
  append_answer(batch, pair.chosen, prompt.begin, prompt.end);
  targets.chosen_end = targets.rejected_begin = batch.target_count();
  append_answer(batch, pair.rejected, prompt.begin, prompt.end);
  targets.rejected_end = batch.target_count();
  return targets;
}

Index pair_rows(const RenderedPair& pair) {
  const auto fed = [](const std::vector<Token>& answer) {
    return std::max<Index>(0, size_of(answer) - 1);
  };
  return size_of(pair.prompt) + fed(pair.chosen) + fed(pair.rejected);
}

Index remove_too_long(std::vector<RenderedSequence>& sequences, Index max_positions) {
  return erase_longer(sequences, max_positions, [](const RenderedSequence& sequence) {
    return size_of(sequence.tokens) - 1;
  });
}

Index remove_too_long(std::vector<RenderedPair>& pairs, Index max_positions) {
  return erase_longer(pairs, max_positions, [](const RenderedPair& pair) {
    return size_of(pair.prompt) + std::max(size_of(pair.chosen), size_of(pair.rejected)) - 1;
  });
}

BatchPlan plan_epoch(std::span<const Index> rows, Index budget, uint64_t seed, int64_t epoch) {
  std::vector<Index> order(rows.size());
  std::iota(order.begin(), order.end(), Index{0});
  Rng(seed, kShuffleStream + static_cast<uint64_t>(epoch)).shuffle(order);

  BatchPlan plan;
  Index used = 0;
  for (const Index item : order) {
    const Index wanted = rows[static_cast<size_t>(item)];
    if (plan.empty() || used + wanted > budget) {
      plan.emplace_back();
      used = 0;
    }
    plan.back().push_back(item);
    used += wanted;
  }
  return plan;
}

BatchSchedule::BatchSchedule(std::vector<Index> rows, Index budget, uint64_t seed,
                             Index virtual_tokens)
    : rows_(std::move(rows)), budget_(budget), seed_(seed), begin_{0} {
  for (Index& wanted : rows_) wanted += virtual_tokens;
  MINILLM_CHECK(!rows_.empty(),
                "batches: there is nothing to train on: expected at least one item, got 0");
}

const BatchPlan& BatchSchedule::plan_of(Index epoch) {
  Epoch& held = held_[epoch % 2];
  if (held.number != epoch) held = {epoch, plan_epoch(rows_, budget_, seed_, epoch)};
  return held.plan;
}

Index BatchSchedule::epoch_of(Index i) {
  if (i < begin_.front()) {
    first_kept_ = 0;
    begin_ = {0};
  }
  while (begin_.back() <= i) {
    const Index epoch = first_kept_ + std::ssize(begin_) - 1;
    begin_.push_back(begin_.back() + std::ssize(plan_of(epoch)));
    if (std::ssize(begin_) <= kMaxEpochsKept) continue;
    begin_.erase(begin_.begin(), begin_.begin() + kMaxEpochsKept / 2);
    first_kept_ += kMaxEpochsKept / 2;
  }
  const auto after = std::upper_bound(begin_.begin(), begin_.end(), i);
  return first_kept_ + (after - begin_.begin()) - 1;
}

const std::vector<Index>& BatchSchedule::at(Index i) {
  const Index epoch = epoch_of(i), first = begin_of(epoch);
  return plan_of(epoch)[static_cast<size_t>(i - first)];
}

Index BatchSchedule::batches_in_first_epoch() { return std::ssize(plan_of(0)); }

Index BatchSchedule::max_rows() const {
  return std::max(budget_, *std::max_element(rows_.begin(), rows_.end()));
}

double BatchSchedule::epoch_at(Index i) {
  const Index epoch = epoch_of(i), begin = begin_of(epoch), end = begin_of(epoch + 1);
  return static_cast<double>(epoch) +
         static_cast<double>(i - begin) / static_cast<double>(end - begin);
}

}  // namespace minillm
