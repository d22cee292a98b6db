#include "libminillm/dpo/dataset.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

std::vector<Index> rows_of(const std::vector<RenderedPair>& pairs) {
  MINILLM_CHECK(
      !pairs.empty(),
      "preference data: no pair to train on (identical and over-long pairs are left out)");
  std::vector<Index> rows;
  for (const RenderedPair& pair : pairs) rows.push_back(pair_rows(pair));
  return rows;
}

}  // namespace

PreferenceDataset::PreferenceDataset(std::vector<RenderedPair> pairs,
                                     std::vector<PairLogProbs> reference,
                                     std::optional<ConversationDataset> replay, Index batch_tokens,
                                     uint64_t seed, Index virtual_tokens)
    : pairs_(std::move(pairs)),
      reference_(std::move(reference)),
      replay_(std::move(replay)),
      schedule_(rows_of(pairs_), batch_tokens, seed, virtual_tokens) {
  batch_.tokens.virtual_tokens = virtual_tokens;
  MINILLM_DCHECK(reference_.size() == pairs_.size());
}

const PreferenceBatch& PreferenceDataset::batch(Index i) {
  batch_.tokens.clear();
  batch_.items.clear();
  batch_.pair_ends.clear();
  for (const Index p : schedule_.at(i)) {
    const PairLogProbs& reference = reference_[static_cast<size_t>(p)];
    const PairTargets targets = append_pair(batch_.tokens, pairs_[static_cast<size_t>(p)]);
    batch_.items.push_back({targets, reference.chosen, reference.rejected});
    batch_.pair_ends.push_back(targets.rejected_end);
  }
  batch_.replay_begin = batch_.tokens.target_count();
  if (replay_) replay_->append_batch(batch_.tokens, i);
  return batch_;
}

std::span<const PreferenceItem> PreferenceBatch::items_of(Index begin, Index end) const {
  const auto ends_at_or_before = [&](Index target) {
    return std::upper_bound(pair_ends.begin(), pair_ends.end(), target) - pair_ends.begin();
  };
  const auto first = ends_at_or_before(begin), last = ends_at_or_before(end);
  return std::span(items).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
}

StepTotals PreferenceDataset::totals(Index begin, Index end) {
  StepTotals totals;
  for (Index i = begin; i < end; ++i) {
    for (const Index p : schedule_.at(i)) {
      totals.pairs += 1;
      totals.chosen_tokens += static_cast<double>(pairs_[static_cast<size_t>(p)].chosen.size());
    }
    if (replay_) totals.replay_tokens += static_cast<double>(replay_->supervised_tokens(i));
  }
  return totals;
}

std::vector<Index> PreferenceDataset::pairs(Index begin, Index end) {
  std::vector<Index> numbers;
  for (Index i = begin; i < end; ++i) {
    const auto batch = schedule_.at(i);
    numbers.insert(numbers.end(), batch.begin(), batch.end());
  }
  return numbers;
}

Index PreferenceDataset::max_rows() const {
  return schedule_.max_rows() + (replay_ ? replay_->max_rows() : 0);
}

Index PreferenceDataset::bytes() const {
  size_t tokens = 0;
  for (const RenderedPair& pair : pairs_)
    tokens += pair.prompt.size() + pair.chosen.size() + pair.rejected.size();
  return static_cast<Index>(tokens * sizeof(Token)) + (replay_ ? replay_->bytes() : 0);
}

// A pair has two targets more than answer rows: each answer's first token is predicted by the
// prompt.
Index PreferenceDataset::max_targets() const { return 2 * max_rows(); }

}  // namespace minillm
