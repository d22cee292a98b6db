#include "libminillm/eval/text_loss.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {
namespace {

// Windows overlap by one id: the last that the first predicts is the first that the second is fed.
void append_windows(std::vector<std::vector<Token>>& windows, const std::vector<Token>& document,
                    Index max_rows) {
  for (Index begin = 0; begin + 1 < std::ssize(document); begin += max_rows) {
    const Index end = std::min<Index>(begin + max_rows + 1, std::ssize(document));
    windows.emplace_back(document.begin() + begin, document.begin() + end);
  }
}

}  // namespace

EvaluationText make_evaluation_text(std::span<const std::string> documents,
                                    const Tokenizer& tokenizer, Index max_rows) {
  EvaluationText text;
  for (const std::string& document : documents) {
    std::vector<Token> ids = tokenizer.encode(document);
    if (tokenizer.adds_bos()) ids.insert(ids.begin(), tokenizer.bos());
    if (tokenizer.eos() >= 0) ids.push_back(tokenizer.eos());
    append_windows(text.windows, ids, max_rows);
    text.bytes += std::ssize(document);
  }
  MINILLM_CHECK(text.bytes > 0, "evaluation text: it is empty");
  return text;
}

EvaluationText make_evaluation_text(const TokenShard& shard, Index max_rows) {
  EvaluationText text;
  for (const TextWindow& window : cut_windows(shard, max_rows))
    shard.slice(window.document, window.begin, window.end, text.windows.emplace_back());
  text.bytes = shard.text_bytes();
  MINILLM_CHECK(text.bytes > 0, "evaluation text: it is empty");
  return text;
}

double TextLoss::perplexity() const { return std::exp(loss()); }
double TextLoss::bits() const { return text_nll / std::numbers::ln2; }

TextLoss evaluate_text(const Model& model, const EvaluationText& text, Token eos,
                       const Scoring& scoring) {
  std::vector<ItemSize> sizes;
  for (const std::vector<Token>& window : text.windows) {
    const Index rows = std::ssize(window) - 1;
    sizes.push_back({rows, rows});
  }
  TextLoss result;
  result.bytes = static_cast<double>(text.bytes);
  BatchScorer(model, sizes)
      .run([&](TokenBatch& batch,
               Index i) { append_text(batch, text.windows[static_cast<size_t>(i)]); },
           [&](const ScoredBatch& scored) {
             for (size_t m = 0; m < scored.logp.size(); ++m) {
               const double nll = -static_cast<double>(scored.logp[m]);
               result.nll += nll;
               if (scored.batch.targets[m].token != eos) result.text_nll += nll;
             }
             result.tokens += static_cast<double>(scored.logp.size());
           },
           scoring);
  return result;
}

Metrics named_metrics(const TextLoss& result) {
  return {{"loss", result.loss()},
          {"perplexity", result.perplexity()},
          {"bits_per_byte", result.bits_per_byte()}};
}

}  // namespace minillm
