#include "libminillm/dpo/mismatched.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"

namespace minillm {
namespace {

const std::vector<Token>& only_answer(const RenderedPair& pair) {
  return pair.chosen.empty() ? pair.rejected : pair.chosen;
}

}  // namespace

std::vector<RenderedPair> mismatch(std::span<const RenderedPair> pairs, Index longest) {
  std::vector<RenderedPair> mismatched;
  const size_t count = pairs.size();
  constexpr size_t kMostTried = 100;  // of the next: keeps this linear where all prompts are one
  for (size_t i = 0; i < count; ++i) {
    for (size_t next = 1; next < std::min(count, kMostTried); ++next) {
      const RenderedPair& other = pairs[(i + next) % count];
      const auto positions =
          static_cast<Index>(pairs[i].prompt.size() + only_answer(other).size()) - 1;
      if (other.prompt == pairs[i].prompt || positions > longest) continue;
      mismatched.push_back({pairs[i].prompt, only_answer(other), {}});
      break;
    }
    if (mismatched.size() <= i) return {};
  }
  return mismatched;
}

MismatchedAnswers::MismatchedAnswers(std::vector<RenderedPair> pairs,
                                     std::vector<PairLogProbs> reference, Index virtual_tokens)
    : pairs_(std::move(pairs)), reference_(std::move(reference)) {
  MINILLM_DCHECK(pairs_.size() == reference_.size());
  batch_.virtual_tokens = virtual_tokens;
}

Index MismatchedAnswers::rows_of(const RenderedPair& pair) const {
  return batch_.virtual_tokens + pair_rows(pair);
}

double MismatchedAnswers::moved(const Model& model, std::span<const Index> items,
                                Workspace& workspace) {
  if (pairs_.empty() || items.empty()) return 0;
  double sum = 0;
  size_t next = 0;
  while (next < items.size()) {
    batch_.clear();
    const size_t first = next;
    std::vector<PairTargets> targets;
    do {
      targets.push_back(append_pair(batch_, pairs_[static_cast<size_t>(items[next++])]));
    } while (next < items.size() &&
             batch_.rows() + rows_of(pairs_[static_cast<size_t>(items[next])]) <=
                 workspace.max_rows());
    model.forward(batch_, workspace);
    const std::span<const Real> logp = model.log_probs(batch_, workspace);
    for (size_t i = 0; i < targets.size(); ++i)
      sum += sum_log_probs(logp, targets[i].chosen_begin, targets[i].chosen_end) -
             reference_[static_cast<size_t>(items[first + i])].chosen;
  }
  return std::max(0.0, sum / static_cast<double>(items.size()));
}

double MismatchedAnswers::moved(std::span<const PairLogProbs> policy) const {
  if (pairs_.empty()) return 0;
  double sum = 0;
  for (size_t i = 0; i < pairs_.size(); ++i) sum += policy[i].chosen - reference_[i].chosen;
  return std::max(0.0, sum / static_cast<double>(pairs_.size()));
}

Index MismatchedAnswers::max_rows() const {
  Index rows = 0;
  for (const RenderedPair& pair : pairs_) rows = std::max(rows, rows_of(pair));
  return rows;
}

Index MismatchedAnswers::bytes() const {
  size_t tokens = 0;
  for (const RenderedPair& pair : pairs_) tokens += pair.prompt.size() + pair.chosen.size();
  return static_cast<Index>(tokens * sizeof(Token));
}

}  // namespace minillm
