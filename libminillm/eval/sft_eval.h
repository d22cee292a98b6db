// Loss and token accuracy of a model on conversations: what SFT trains, on held-out rows.

#ifndef LIBMINILLM_EVAL_SFT_EVAL_H_
#define LIBMINILLM_EVAL_SFT_EVAL_H_

#include <span>

#include "libminillm/core/metrics.h"
#include "libminillm/data/chat_template.h"  // RenderedSequence
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"

namespace minillm {

// Sums over the supervised tokens of all sequences: the assistant's messages, each with its
// <|im_end|>.
struct SftResult {
  double nll = 0;  // - sum of log p (natural)
  double tokens = 0;
  double correct = 0;  // tokens that are the most probable one

  double loss() const { return nll / tokens; }
  double token_accuracy() const { return correct / tokens; }
};
// Throws Error if no token is supervised.
SftResult evaluate_sft(const Model& model, std::span<const RenderedSequence> sequences,
                       const Scoring& scoring = {});

Metrics named_metrics(const SftResult& result);  // "loss", "mean_token_accuracy", as TRL

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_SFT_EVAL_H_
