// Loss, perplexity and bits per byte of plain text.

#ifndef LIBMINILLM_EVAL_TEXT_LOSS_H_
#define LIBMINILLM_EVAL_TEXT_LOSS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/metrics.h"
#include "libminillm/data/token_shard.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"

namespace minillm {

// Text as it is scored: every id of a window but the first is predicted from those before it. A
// document is BOS, its ids and EOS, cut as by cut_windows, so that every id but BOS is predicted
// exactly once.
struct EvaluationText {
  std::vector<std::vector<Token>> windows;
  int64_t bytes = 0;  // of the text that the ids encode
};
// `max_rows` is the longest window's rows: the model's max_position_embeddings.
// Throws Error if there is nothing to score.
EvaluationText make_evaluation_text(std::span<const std::string> documents,
                                    const Tokenizer& tokenizer, Index max_rows);
EvaluationText make_evaluation_text(const TokenShard& shard, Index max_rows);

struct TextLoss {
  double nll = 0;       // - sum of log p (natural) over all predicted tokens
  double tokens = 0;    // predicted, EOS included, BOS never
  double text_nll = 0;  // without the EOS tokens, which encode no bytes
  double bytes = 0;

  double loss() const { return nll / tokens; }
  double perplexity() const;
  double bits() const;  // text_nll / ln 2
  double bits_per_byte() const { return bits() / bytes; }
};
// `eos` is not counted as text (-1 if there is none).
TextLoss evaluate_text(const Model& model, const EvaluationText& text, Token eos,
                       const Scoring& scoring = {});

Metrics named_metrics(const TextLoss& result);  // "loss", "perplexity", "bits_per_byte"

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_TEXT_LOSS_H_
