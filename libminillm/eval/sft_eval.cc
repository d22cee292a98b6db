#include "libminillm/eval/sft_eval.h"

#include "libminillm/core/check.h"
#include "libminillm/eval/sequence_scores.h"

namespace minillm {

SftResult evaluate_sft(const Model& model, std::span<const RenderedSequence> sequences,
                       const Scoring& scoring) {
  SftResult result;
  for (const SequenceScore& score : score_sequences(model, sequences, scoring)) {
    result.nll -= score.logp;
    result.tokens += static_cast<double>(score.tokens);
    result.correct += static_cast<double>(score.most_probable);
  }
  MINILLM_CHECK(result.tokens > 0, "sft evaluation: no token is supervised");
  return result;
}

Metrics named_metrics(const SftResult& result) {
  return {{"loss", result.loss()}, {"mean_token_accuracy", result.token_accuracy()}};
}

}  // namespace minillm
