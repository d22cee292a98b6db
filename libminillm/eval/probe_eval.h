// Runs a model over the world's probes (world/probes.h): what each question came to.

#ifndef LIBMINILLM_EVAL_PROBE_EVAL_H_
#define LIBMINILLM_EVAL_PROBE_EVAL_H_

#include <span>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/probes.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// Each throws Error if an item exceeds the model's context, if the tokenizer has no chat markers,
// and if the model has no language head. Outcomes are in the order of the items; persons and
// wordings are those of the questions.

// Answers are generated greedily, up to kWorldAnswerTokens.
std::vector<world::WorldOutcome> ask_probes(const Model& model, const Tokenizer& tokenizer,
                                            std::span<const world::Probe> probes,
                                            const Scoring& scoring = {});
// true_value_rate, ..., false_value_probability.
std::vector<world::WorldOutcome> ask_told_facts(const Model& model, const Tokenizer& tokenizer,
                                                std::span<const world::ToldFact> facts,
                                                const Scoring& scoring = {});
// secret_exposure_...: in each turn, the secret's place among its candidates as canary_rank tells
// it, as bits.
std::vector<world::WorldOutcome> ask_secrets(const Model& model, const Tokenizer& tokenizer,
                                             std::span<const world::Canary> secrets,
                                             const Scoring& scoring = {});
// How far confidence is from being right, in answers under the rule of one word: one_word_brier,
// (confidence - right)^2, and one_word_overconfidence, confidence - right. An answer where nothing
// is known is right if it is a denial; one about a known person, if it is the value.
std::vector<world::WorldOutcome> ask_confidence(const Model& model, const Tokenizer& tokenizer,
                                                std::span<const world::ChatItem> items,
                                                const Scoring& scoring = {});

// The log-probabilities of the two answers of pairs: chosen_log_prob, rejected_log_prob.
std::vector<world::WorldOutcome> ask_pairs(const Model& model, const Tokenizer& tokenizer,
                                           std::span<const world::WorldPair> pairs,
                                           const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_PROBE_EVAL_H_
