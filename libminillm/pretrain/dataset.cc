#include "libminillm/pretrain/dataset.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

std::vector<Index> rows_of(const std::vector<TextPart>& parts) {
  std::vector<Index> rows;
  for (const TextPart& part : parts)
    for (const TextWindow& window : part.windows) rows.push_back(window.rows());
  MINILLM_CHECK(!rows.empty(), "pretraining data: no text to train on (every document is empty)");
  return rows;
}

}  // namespace

PretrainDataset::PretrainDataset(std::vector<TextPart> parts, Index batch_tokens, uint64_t seed,
                                 Index virtual_tokens)
    : parts_(std::move(parts)), schedule_(rows_of(parts_), batch_tokens, seed, virtual_tokens) {
  batch_.virtual_tokens = virtual_tokens;
}

const TokenBatch& PretrainDataset::batch(Index i) {
  batch_.clear();
  for (const Index item : schedule_.at(i)) {
    auto w = static_cast<size_t>(item);
    auto part = parts_.begin();
    for (; w >= part->windows.size(); ++part) w -= part->windows.size();
    const TextWindow& window = part->windows[w];
    part->shard.slice(window.document, window.begin, window.end, tokens_);
    append_text(batch_, tokens_);
  }
  return batch_;
}

Index PretrainDataset::bytes() const {
  size_t windows = 0;
  for (const TextPart& part : parts_) windows += part.windows.size();
  return static_cast<Index>(windows * sizeof(TextWindow));
}

}  // namespace minillm
