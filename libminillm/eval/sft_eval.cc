#include "libminillm/eval/sft_eval.h"

#include <utility>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {

SftResult evaluate_sft(const Model& model, std::span<const RenderedSequence> sequences) {
  std::vector<Index> rows;
  for (const RenderedSequence& sequence : sequences)
    rows.push_back(std::ssize(sequence.tokens) - 1);
  SftResult result;
  BatchScorer scorer(model, std::move(rows));
  scorer.run([&](TokenBatch& batch,
                 Index i) { append_sequence(batch, sequences[static_cast<size_t>(i)]); },
             [&](const ScoredBatch& scored) {
               for (const Real logp : scored.logp) result.nll -= logp;
               result.tokens += static_cast<double>(scored.logp.size());
               result.correct += static_cast<double>(scorer.count_most_probable());
             });
  MINILLM_CHECK(result.tokens > 0, "sft evaluation: no token is supervised");
  return result;
}

Metrics named_metrics(const SftResult& result) {
  return {{"loss", result.loss()}, {"mean_token_accuracy", result.token_accuracy()}};
}

}  // namespace minillm
