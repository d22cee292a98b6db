#include "libminillm/eval/batch_scorer.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr Index kLogitRows = 128;  // rows whose logits exist at once

}  // namespace

double evaluation_bytes(const ModelConfig& config, Index rows, Index inner_states) {
  const Index most = std::min(rows, std::max(kEvaluationRows, config.max_position_embeddings));
  const Index logits = std::min(most, kLogitRows) * config.vocab_size;
  return Workspace::bytes(config, most, most, Workspace::Mode::kInference, inner_states) +
         static_cast<double>(logits) * sizeof(Real);
}

BatchScorer::Plan BatchScorer::plan_batches(std::span<const ItemSize> items, Index virtual_tokens) {
  Plan plan;
  ItemSize batch;
  for (size_t i = 0; i < items.size(); ++i) {
    batch.rows += virtual_tokens + items[i].rows;
    batch.targets += items[i].targets;
    const bool last = i + 1 == items.size();
    if (!last && batch.rows + virtual_tokens + items[i + 1].rows <= kEvaluationRows) continue;
    plan.ends.push_back(static_cast<Index>(i + 1));
    plan.largest.rows = std::max(plan.largest.rows, batch.rows);
    plan.largest.targets = std::max(plan.largest.targets, batch.targets);
    batch = {};
  }
  return plan;
}

BatchScorer::BatchScorer(const Model& model, std::span<const ItemSize> items, Head head)
    : model_(model),
      head_(head),
      plan_(plan_batches(items, model.virtual_tokens())),
      workspace_(model.config(), plan_.largest.rows, plan_.largest.targets,
                 Workspace::Mode::kInference, model.inner_states()) {
  batch_.virtual_tokens = model.virtual_tokens();
}

std::span<const Real> BatchScorer::evaluate() {
  if (head_ == Head::kLanguageModel) return model_.log_probs(batch_, workspace_);
  scores_.resize(batch_.targets.size());
  model_.scores(scores_, batch_, workspace_);
  return scores_;
}

void BatchScorer::run(const std::function<void(TokenBatch&, Index)>& append,
                      const std::function<void(const ScoredBatch&)>& visit,
                      const ProgressFunction& progress) {
  Index begin = 0;
  for (const Index end : plan_.ends) {
    batch_.clear();
    for (Index i = begin; i < end; ++i) append(batch_, i);
    model_.forward(batch_, workspace_);
    const std::span<const Real> logp = evaluate();
    const auto bad =
        std::find_if(logp.begin(), logp.end(), [](Real x) { return !std::isfinite(x); });
    MINILLM_CHECK(bad == logp.end(),
                  "model: the {} is {}: its weights are finite, but so large that what is computed "
                  "with them is not (diverged, or damaged)",
                  head_ == Head::kLanguageModel ? "log-probability of a token" : "score of a text",
                  *bad);
    visit({begin, end, batch_, logp});
    begin = end;
    report_progress(progress, static_cast<double>(end), static_cast<double>(plan_.ends.back()));
  }
}

std::vector<uint8_t> BatchScorer::most_probable() {
  if (logits_.rows() == 0) logits_ = Matrix(kLogitRows, model_.config().vocab_size);
  std::vector<uint8_t> result;
  std::vector<Index> rows;
  for (Index begin = 0; begin < batch_.target_count(); begin += kLogitRows) {
    const Index end = std::min(begin + kLogitRows, batch_.target_count());
    rows.clear();
    for (Index m = begin; m < end; ++m) rows.push_back(batch_.targets[static_cast<size_t>(m)].row);
    const View logits = logits_.top(end - begin);
    model_.logits(logits, rows, workspace_);
    for (Index m = begin; m < end; ++m) {
      const Real* row = logits.row(m - begin);
      const Index top = std::max_element(row, row + logits.cols) - row;
      result.push_back(top == batch_.targets[static_cast<size_t>(m)].token);
    }
  }
  return result;
}

}  // namespace minillm
