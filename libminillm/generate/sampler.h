// Sampler: logits -> token. Pure: the same logits, history and Rng give the same token.

#ifndef LIBMINILLM_GENERATE_SAMPLER_H_
#define LIBMINILLM_GENERATE_SAMPLER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "libminillm/constrain/token_mask.h"
#include "libminillm/core/real.h"
#include "libminillm/core/rng.h"
#include "libminillm/generate/weight_order.h"

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
  // The same with `u` for the number drawn: uniform in [0, 1).
  Token sample(std::span<const Real> logits, std::span<const Token> history, double u,
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
  // What has passed the filters.
  enum class Kept {
    kListed,    // candidates_, divided by their sum
    kByToken,   // weights from least_ on, drawn in the order of tokens
    kByWeight,  // the largest weights down to last_, drawn in this order (top-p)
  };

  void filter(std::span<const Real> logits, std::span<const Token> history,
              const TokenMask* allowed);
  // The logits as biased and penalized, which are in weights_ if there is anything to change.
  std::span<const Real> changed(std::span<const Real> logits, std::span<const Token> history,
                                const TokenMask* allowed);
  void add_bias();
  void penalize_repetition(std::span<const Token> history);
  Real least_top_k();
  void keep_top_p(double all);
  bool is_one() const;
  Token first() const;  // the most probable one
  Token draw(double u);
  double sum_from(Real least);
  std::optional<Token> choose(double u);
  std::optional<Token> choose_by_token(double u, double margin) const;
  std::optional<Token> choose_by_weight(double u, double margin);
  void list();
  void list_top_p();
  void divide();
  double sum_of_listed() const;

  SamplingConfig config_;
  std::vector<Real> weights_;       // [V] relative probabilities; 0 where nothing is allowed
  std::vector<double> block_sums_;  // scratch: of the weights from a bound on
  WeightOrder order_;
  std::vector<TokenWeight> listed_;  // scratch
  std::vector<Candidate> candidates_;
  std::vector<bool> penalized_;  // [V] a token is penalized once, however often it was seen

  Kept kept_ = Kept::kListed;
  Real least_ = 0;
  TokenWeight last_;
  double total_ = 0;  // of the weights kept, in some order
  Index count_ = 0;   // of kByToken
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_SAMPLER_H_
