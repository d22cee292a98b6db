// The reference model as data: its log-probabilities of every answer, computed once.

#ifndef LIBMINILLM_DPO_REFERENCE_H_
#define LIBMINILLM_DPO_REFERENCE_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/data/chat_template.h"    // RenderedPair
#include "libminillm/eval/preference_eval.h"  // PairLogProbs
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"

namespace minillm {

// What the numbers depend on: weights, data, template, and the products' precision ("fp32",
// "bf16").
std::string reference_key(const std::string& weights_hash, const std::string& data_hash,
                          const Tokenizer& tokenizer, const std::string& precision);

// Log-probabilities of the pairs under `model`, read from the cache file `path` if it was made for
// `key` and as many pairs, else computed and written there (without a path: only computed). Numbers
// survive the file to the bit. Throws Error on a damaged file.
std::vector<PairLogProbs> reference_log_probs(const std::string& path, const std::string& key,
                                              const Model& model,
                                              std::span<const RenderedPair> pairs,
                                              const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_DPO_REFERENCE_H_
