// PlainSampler: Sampler's filters one after another over a list of all tokens, as they are defined.
// What Sampler draws is the same to the bit.

#ifndef TESTS_GENERATE_PLAIN_SAMPLER_H_
#define TESTS_GENERATE_PLAIN_SAMPLER_H_

#include <span>
#include <vector>

#include "libminillm/generate/sampler.h"

namespace minillm {

class PlainSampler {
 public:
  PlainSampler(const SamplingConfig& config, Index vocab_size);
  Token sample(std::span<const Real> logits, std::span<const Token> history, Rng& rng,
               const TokenMask* allowed = nullptr);
  Token sample(std::span<const Real> logits, std::span<const Token> history, double u,
               const TokenMask* allowed = nullptr);
  using Candidate = Sampler::Candidate;
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

#endif  // TESTS_GENERATE_PLAIN_SAMPLER_H_
