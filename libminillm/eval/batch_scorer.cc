#include "libminillm/eval/batch_scorer.h"

#include <algorithm>
#include <cmath>
#include <utility>

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

void BatchScorer::fill(const std::function<void(TokenBatch&, Index)>& append, Index begin,
                       Index end) {
  batch_.clear();
  for (Index i = begin; i < end; ++i) append(batch_, i);
}

BatchScorer::Scores BatchScorer::score() {
  Scores scores;
  model_.forward(batch_, workspace_);
  if (head_ == Head::kLanguageModel) {
    const std::span<const Real> logp = model_.log_probs(batch_, workspace_);
    scores.logp.assign(logp.begin(), logp.end());
  } else {
    scores.logp.resize(batch_.targets.size());
    model_.scores(scores.logp, batch_, workspace_);
  }
  const auto bad = std::ranges::find_if(scores.logp, [](Real x) { return !std::isfinite(x); });
  MINILLM_CHECK(bad == scores.logp.end(),
                "model: the {} is {}: its weights are finite, but so large that what is computed "
                "with them is not (diverged, or damaged)",
                head_ == Head::kLanguageModel ? "log-probability of a token" : "score of a text",
                *bad);
  if (finds_most_probable_) scores.first_choices = first_choices();
  return scores;
}

void BatchScorer::run(const std::function<void(TokenBatch&, Index)>& append,
                      const std::function<void(const ScoredBatch&)>& visit,
                      const Scoring& scoring) {
  const Index ranks = count_of(scoring.ranks), rank = number_of(scoring.ranks);
  const auto batches = std::ssize(plan_.ends);
  const auto begin_of = [&](Index b) {
    return b == 0 ? 0 : plan_.ends[static_cast<size_t>(b - 1)];
  };
  const auto end_of = [&](Index b) { return plan_.ends[static_cast<size_t>(b)]; };
  for (Index first = 0; first < batches; first += ranks) {  // a batch for each rank
    const Index last = std::min(first + ranks, batches);
    std::vector<Scores> round(1);
    if (first + rank < last) {
      fill(append, begin_of(first + rank), end_of(first + rank));
      round[0] = score();
    }
    if (ranks > 1) {
      std::vector<Index> sizes;
      for (Index b = first; b < last; ++b) {
        fill(append, begin_of(b), end_of(b));
        sizes.push_back(batch_.target_count());
      }
      round = exchange(*scoring.ranks, round[0], sizes);
    }
    for (Index b = first; b < last; ++b) {
      if (ranks > 1) fill(append, begin_of(b), end_of(b));
      const Scores& scores = round[static_cast<size_t>(b - first)];
      std::vector<uint8_t> most_probable;
      for (size_t m = 0; m < scores.first_choices.size(); ++m)
        most_probable.push_back(scores.first_choices[m] == batch_.targets[m].token);
      visit({begin_of(b), end_of(b), batch_, scores.logp, scores.first_choices, most_probable});
      report_progress(scoring.progress, static_cast<double>(end_of(b)),
                      static_cast<double>(plan_.ends.back()));
    }
  }
}

// Everybody's scores, those of rank r of `sizes[r]` targets.
std::vector<BatchScorer::Scores> BatchScorer::exchange(Communicator& ranks, const Scores& own,
                                                       std::span<const Index> sizes) {
  const auto most = static_cast<size_t>(std::ranges::max(sizes));
  const auto collect = [&](auto values) {  // as long on all
    values.resize(most);
    using Value = typename decltype(values)::value_type;
    return all_gather_values(ranks, std::span<const Value>(values));
  };
  const std::vector<Real> logp = collect(own.logp);
  std::vector<Token> choices;
  if (finds_most_probable_) choices = collect(own.first_choices);
  std::vector<Scores> all(sizes.size());
  for (size_t r = 0; r < all.size(); ++r) {
    const auto part = [&](const auto& values) {
      const auto begin = values.begin() + static_cast<Index>(r * most);
      return std::pair(begin, begin + sizes[r]);
    };
    all[r].logp.assign(part(logp).first, part(logp).second);
    if (finds_most_probable_)
      all[r].first_choices.assign(part(choices).first, part(choices).second);
  }
  return all;
}

std::vector<Token> BatchScorer::first_choices() {
  if (logits_.rows() == 0) logits_ = Matrix(kLogitRows, model_.config().vocab_size);
  std::vector<Token> result;
  std::vector<Index> rows;
  for (Index begin = 0; begin < batch_.target_count(); begin += kLogitRows) {
    const Index end = std::min(begin + kLogitRows, batch_.target_count());
    rows.clear();
    for (Index m = begin; m < end; ++m) rows.push_back(batch_.targets[static_cast<size_t>(m)].row);
    const View logits = logits_.top(end - begin);
    model_.logits(logits, rows, workspace_);
    for (Index m = begin; m < end; ++m) {
      const Real* row = logits.row(m - begin);
      result.push_back(static_cast<Token>(std::max_element(row, row + logits.cols) - row));
    }
  }
  return result;
}

}  // namespace minillm
