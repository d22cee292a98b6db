#include "libminillm/pretrain/dataset.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

std::vector<Index> rows_of(const std::vector<TextWindow>& windows) {
  MINILLM_CHECK(!windows.empty(),
                "pretraining data: no text to train on (every document is empty)");
  std::vector<Index> rows;
  for (const TextWindow& window : windows) rows.push_back(window.rows());
  return rows;
}

}  // namespace

PretrainDataset::PretrainDataset(TokenShard shard, Index max_length, Index batch_tokens,
                                 uint64_t seed)
    : shard_(std::move(shard)),
      windows_(cut_windows(shard_, max_length)),
      schedule_(rows_of(windows_), batch_tokens, seed) {}

const TokenBatch& PretrainDataset::batch(Index i) {
  batch_.clear();
  for (const Index w : schedule_.at(i)) {
    const TextWindow& window = windows_[static_cast<size_t>(w)];
    shard_.slice(window.document, window.begin, window.end, tokens_);
    append_text(batch_, tokens_);
  }
  return batch_;
}

}  // namespace minillm
