#include "libminillm/nn/batch_check.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// In training, a prefix is the beginning of an earlier plain segment: its positions count from 0,
// and attention_backward finds its owner. The segments before `s` are sorted by their beginning.
bool begins_plain_segment(std::span<const Segment> before, const Segment& s) {
  const auto owner = std::ranges::lower_bound(before, s.prefix_begin, {}, &Segment::begin);
  return owner != before.end() && owner->begin == s.prefix_begin && s.prefix_end <= owner->end &&
         owner->prefix_length() == 0;
}

}  // namespace

void check_batch(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace,
                 const KvCache* cache) {
  MINILLM_CHECK(batch.rows() <= workspace.max_rows(),
                "model: batch of {} rows: workspace has room for {}", batch.rows(),
                workspace.max_rows());
  Index covered = 0;
  for (size_t i = 0; i < batch.segments.size(); ++i) {
    const Segment& s = batch.segments[i];
    MINILLM_CHECK(s.begin == covered && s.end > s.begin,
                  "model: segment [{}, {}): expected it to begin at row {}", s.begin, s.end,
                  covered);
    covered = s.end;
    const Index length = s.prefix_length() + s.length();
    MINILLM_CHECK(length <= config.max_position_embeddings,
                  "model: sequence of {} tokens: expected at most max_position_embeddings = {}",
                  length, config.max_position_embeddings);
    const bool in_order = 0 <= s.prefix_begin && s.prefix_begin <= s.prefix_end;
    const Index room = cache != nullptr ? cache->rows() - s.length() : s.begin;
    MINILLM_CHECK(in_order && s.prefix_end <= room,
                  "model: prefix [{}, {}): expected it within the first {} rows", s.prefix_begin,
                  s.prefix_end, room);
    MINILLM_CHECK(
        cache != nullptr || s.prefix_length() == 0 ||
            begins_plain_segment(std::span(batch.segments).first(i), s),
        "model: prefix [{}, {}): expected the first rows of an earlier segment that has no prefix "
        "itself",
        s.prefix_begin, s.prefix_end);
  }
  MINILLM_CHECK(covered == batch.rows(), "model: segments cover {} rows: expected all {}", covered,
                batch.rows());
}

void check_adapters(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace,
                    const Weights& weights) {
  const Index count = std::ssize(weights.virtual_tokens);
  Index inner = 0;
  if (count > 0)
    for_each_updates(weights.blocks.front(), [&](std::span<const LowRank> updates) {
      for (const LowRank& update : updates)
        inner = std::max(inner, update.inner_begin + update.a.rows);
    });
  MINILLM_CHECK(inner <= workspace.blocks.front().inner.rows(),
                "model: adapters of {} inner states: workspace has room for {}", inner,
                workspace.blocks.front().inner.rows());
  for (const Segment& s : batch.segments) {
    MINILLM_CHECK(count == 0 || (-1 <= s.adapter && s.adapter < count),
                  "model: segment [{}, {}) names adapter {}: expected -1 (none) to {}", s.begin,
                  s.end, s.adapter, count - 1);
    const bool adapted = count > 0 && s.adapter >= 0;
    const Index P = adapted ? weights.virtual_tokens[static_cast<size_t>(s.adapter)] : 0;
    for (Index i = 0; i < s.length(); ++i) {
      const Index token = batch.tokens[static_cast<size_t>(s.begin + i)];
      const Index position = s.prefix_length() + i;
      MINILLM_CHECK(position < P || (0 <= token && token < config.vocab_size),
                    "model: token id {}: expected 0 to {}", token, config.vocab_size - 1);
      MINILLM_CHECK(position >= P || token == position - P,
                    "model: token id {} at position {}: expected {}, as the adapter's {} virtual "
                    "tokens begin every sequence",
                    token, position, position - P, P);
    }
  }
}

void check_targets(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace) {
  MINILLM_CHECK(batch.target_count() <= workspace.max_targets(),
                "model: batch of {} targets: workspace has room for {}", batch.target_count(),
                workspace.max_targets());
  for (const Target& t : batch.targets)
    MINILLM_CHECK(0 <= t.row && t.row < batch.rows() && 0 <= t.token && t.token < config.vocab_size,
                  "model: target (row {}, token {}): expected row 0 to {}, token 0 to {}", t.row,
                  t.token, batch.rows() - 1, config.vocab_size - 1);
}

void check_lm_head(const ModelConfig& config) {
  MINILLM_CHECK(config.has_lm_head(),
                "model: is a reward model, which scores texts and cannot continue them: expected a "
                "language model");
}

void check_score_head(const ModelConfig& config) {
  MINILLM_CHECK(config.has_score_head(),
                "model: is a language model, which has no scores: expected a reward model");
}

void check_backward(const Workspace& workspace) {
  MINILLM_CHECK(workspace.mode != Workspace::Mode::kInference,
                "model: backward needs a training workspace");
}

}  // namespace minillm
