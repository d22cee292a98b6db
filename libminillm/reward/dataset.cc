#include "libminillm/reward/dataset.h"

#include "libminillm/core/check.h"
#include "libminillm/stage/rendered_pairs.h"  // count_tokens

namespace minillm {
namespace {

std::vector<Index> rows_of(const std::vector<RenderedPair>& pairs) {
  MINILLM_CHECK(
      !pairs.empty(),
      "preference data: no pair to train on (identical and over-long pairs are left out)");
  std::vector<Index> rows;
  for (const RenderedPair& pair : pairs)
    rows.push_back(std::ssize(pair.prompt) + std::ssize(pair.chosen) + std::ssize(pair.rejected));
  return rows;
}

}  // namespace

RewardDataset::RewardDataset(std::vector<RenderedPair> pairs, Index batch_tokens, uint64_t seed,
                             Index virtual_tokens)
    : pairs_(std::move(pairs)), schedule_(rows_of(pairs_), batch_tokens, seed, virtual_tokens) {
  batch_.tokens.virtual_tokens = virtual_tokens;
}

const ScoredPairs& RewardDataset::batch(Index i) {
  batch_.tokens.clear();
  batch_.margins.clear();
  for (const Index p : schedule_.at(i)) {
    const RenderedPair& pair = pairs_[static_cast<size_t>(p)];
    const std::span<const Token> answers[] = {pair.chosen, pair.rejected};
    append_scored_answers(batch_.tokens, pair.prompt, answers);
    batch_.margins.push_back(pair.margin);
  }
  return batch_;
}

Index RewardDataset::bytes() const {
  return count_tokens(pairs_) * static_cast<Index>(sizeof(Token));
}

}  // namespace minillm
