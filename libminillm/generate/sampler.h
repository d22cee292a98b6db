// Sampler: logits -> token. Pure: the same logits, history and Rng give the same token.

#ifndef LIBMINILLM_GENERATE_SAMPLER_H_
#define LIBMINILLM_GENERATE_SAMPLER_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "libminillm/constrain/token_mask.h"
#include "libminillm/core/real.h"
#include "libminillm/core/rng.h"

namespace minillm {

struct SamplingConfig {
  double temperature = 0.8;       // 0 = greedy (argmax, the lowest id on ties)
  int64_t top_k = 0;              // keep the k most probable, and ties with the last; 0 = all
  double top_p = 1;               // nucleus: smallest set with this mass (Holtzman et al. 2020)
  double min_p = 0;               // drop what is below min_p times the largest probability
  double repetition_penalty = 1;  // divides positive, multiplies negative logits of tokens in the
                                  // history (Keskar et al. 2019, arXiv:1909.05858)
  // Added to the logits before all else, -100 to 100: near -100 a token is hardly ever said.
  std::map<Token, double> logit_bias = {};

  // Throws Error (kUsage) naming the field, its value and the rule it breaks.
  void validate() const;
  // ... and an id of logit_bias that is none of `vocab_size`.
  void validate(Index vocab_size) const;
};

class Sampler {
 public:
  // Throws Error (kUsage) if the config is invalid.
  Sampler(const SamplingConfig& config, Index vocab_size);

  // The next token.
  //   logits   [V]  of one row
  //   history       what the repetition penalty looks at: prompt and text so far
  //   allowed       all that may come; null: everything
  // What is not allowed is taken out first. The filters apply in Hugging Face's order: penalty,
  // temperature, top-k, top-p, min-p; the bias comes before them. Draws one number from `rng`, none
  // when greedy. Throws Error if a logit is not finite, or nothing is allowed.
  Token sample(std::span<const Real> logits, std::span<const Token> history, Rng& rng,
               const TokenMask* allowed = nullptr);

  // What sample() would draw from: the tokens that pass the filters and their probabilities, which
  // sum to 1. Greedy: one token. Valid until the next call.
  struct Candidate {
    Token token = 0;
    double probability = 0;
  };
  std::span<const Candidate> distribution(std::span<const Real> logits,
                                          std::span<const Token> history,
                                          const TokenMask* allowed = nullptr);

 private:
  void add_bias();
  void penalize_repetition(std::span<const Token> history);
  double least_top_k();
  void keep_top_p(double all);
  void keep_min_p();
  double total() const;

  SamplingConfig config_;
  std::vector<Real> scores_;           // [V] the logits, penalized; then relative probabilities
  std::vector<Real> sorted_;           // [V] scratch of top-k
  std::vector<Candidate> candidates_;  // probabilities are relative until the last filter has run
  std::vector<bool> penalized_;        // [V] a token is penalized once, however often it was seen
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_SAMPLER_H_
