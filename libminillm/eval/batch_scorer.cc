#include "libminillm/eval/batch_scorer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"

namespace minillm {
namespace {

constexpr Index kLogitRows = 128;  // rows whose logits exist at once

Index largest_batch(const std::vector<Index>& rows) {
  const Index longest = rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end());
  const Index all = std::accumulate(rows.begin(), rows.end(), Index{0});
  return std::max(longest, std::min(all, kEvaluationRows));
}

}  // namespace

// A target is a row's, except that a pair's prompt predicts two with its last row: but such a
// prompt has another row that predicts none. So there are never more targets than rows.
BatchScorer::BatchScorer(const Model& model, std::vector<Index> rows)
    : model_(model),
      rows_(std::move(rows)),
      workspace_(model.config(), largest_batch(rows_), largest_batch(rows_),
                 Workspace::Mode::kInference) {}

void BatchScorer::run(const std::function<void(TokenBatch&, Index)>& append,
                      const std::function<void(const ScoredBatch&)>& visit) {
  const auto items = static_cast<Index>(rows_.size());
  for (Index begin = 0, end = 0; begin < items; begin = end) {
    batch_.clear();
    Index filled = 0;
    while (end < items) {
      const Index more = rows_[static_cast<size_t>(end)];
      if (end > begin && filled + more > kEvaluationRows) break;
      append(batch_, end++);
      filled += more;
    }
    MINILLM_DCHECK(batch_.rows() == filled);
    model_.forward(batch_, workspace_);
    visit({begin, end, batch_, model_.log_probs(batch_, workspace_)});
  }
}

Index BatchScorer::count_most_probable() {
  if (logits_.rows() == 0) logits_ = Matrix(kLogitRows, model_.config().vocab_size);
  Index count = 0;
  std::vector<Index> rows;
  for (Index begin = 0; begin < batch_.target_count(); begin += kLogitRows) {
    const Index end = std::min(begin + kLogitRows, batch_.target_count());
    const std::span<const Target> targets =
        std::span(batch_.targets)
            .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    rows.clear();
    for (const Target& target : targets) rows.push_back(target.row);
    const View logits = logits_.top(end - begin);
    model_.logits(logits, rows, workspace_);
    for (size_t i = 0; i < targets.size(); ++i) {
      const Real* row = logits.row(static_cast<Index>(i));
      count += std::max_element(row, row + logits.cols) - row == targets[i].token;
    }
  }
  return count;
}

std::vector<Real> token_log_probs(const Model& model, std::span<const Token> tokens) {
  const Index rows = std::ssize(tokens) - 1, context = model.config().max_position_embeddings;
  MINILLM_CHECK(rows >= 1, "log-probabilities: expected at least 2 tokens, got {}", tokens.size());
  MINILLM_CHECK(rows <= context,
                "log-probabilities: too long: expected at most {} tokens (the model's "
                "max_position_embeddings + 1), got {}",
                context + 1, tokens.size());
  std::vector<Real> result;
  BatchScorer(model, {rows})
      .run([&](TokenBatch& batch, Index) { append_text(batch, tokens); },
           [&](const ScoredBatch& scored) {
             result.assign(scored.logp.begin(), scored.logp.end());
           });
  return result;
}

std::vector<double> sequence_log_probs(const Model& model,
                                       std::span<const RenderedSequence> sequences) {
  std::vector<Index> rows;
  for (const RenderedSequence& sequence : sequences)
    rows.push_back(std::ssize(sequence.tokens) - 1);
  std::vector<double> result;
  BatchScorer(model, std::move(rows))
      .run([&](TokenBatch& batch,
               Index i) { append_sequence(batch, sequences[static_cast<size_t>(i)]); },
           [&](const ScoredBatch& scored) {
             auto logp = scored.logp.begin();
             for (Index i = scored.begin; i < scored.end; ++i) {
               const Index count = sequences[static_cast<size_t>(i)].supervised_count();
               result.push_back(std::accumulate(logp, logp + count, 0.0));
               logp += count;
             }
           });
  return result;
}

}  // namespace minillm
