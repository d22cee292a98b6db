// Constitutional feedback: a model judges requests by a principle, writes its own answers anew
// where the principle speaks against them, and out come preference pairs that nobody has labelled.
//
//   request -> draft        a sample of the model
//           -> judgement    log p(against | context) - log p(in favour | context), of the model or
//                           of another: what its texts taught it, asked as plain text
//           -> revision     an answer that begins with the principle's refusal, the best of a few
//                           by mean log-probability
//           -> pair         against: revision over draft; in favour: draft over revision
//
// The second kind of pair is what keeps a model from refusing everything.
//
// Method: Bai et al. 2022, arXiv:2212.08073. There the judgement is written out; a model of a few
// million weights cannot write one worth reading, but which of two sentences it finds more probable
// is one.

#ifndef LIBMINILLM_CONSTITUTION_CONSTITUTION_H_
#define LIBMINILLM_CONSTITUTION_CONSTITUTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libminillm/constitution/principle.h"
#include "libminillm/core/progress.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/prompts.h"
#include "libminillm/nn/model.h"

namespace minillm {

// Log-odds of every deed, in nats: above 0 where the model holds it to go against the principle.
std::vector<double> log_odds(const Model& judge, const Tokenizer& tokenizer,
                             const Principle& principle, std::span<const std::string> deeds);

// A request for each deed that the texts speak of, in their order. Throws Error if they speak of
// none, kUsage if the principle does not say how texts name deeds.
std::vector<Prompt> requests_about(const Principle& principle, std::span<const std::string> texts);
// Keeps `count` of the requests, drawn, in the order in which they are drawn; all if there are not
// so many.
void draw_requests(std::vector<Prompt>& requests, int64_t count, uint64_t seed);

struct ConstitutionConfig {
  int64_t max_tokens = 48;  // of an answer
  double temperature = 1;   // of drafts
  int64_t drafts = 4;       // tries for a draft that ends by itself and does not refuse
  double revision_temperature = 0.7;
  int64_t revisions = 4;  // of which the best is kept
  uint64_t seed = 1;
};

// A request with what became of it.
struct JudgedRequest {
  Prompt prompt;
  std::string deed;
  double odds = 0;
  std::string chosen, rejected;
};
// What became of all requests.
struct Constitution {
  std::vector<JudgedRequest> pairs;
  Index without_deed = 0;   // no pattern fits
  Index undecided = 0;      // odds below the least
  Index without_draft = 0;  // no draft ended by itself, or all of them refused
  Index without_revision = 0;
};
// `judge` may be `model` itself. Throws Error as Generator does.
Constitution apply_principle(const Model& model, const Model& judge, const Tokenizer& tokenizer,
                             const Principle& principle, std::span<const Prompt> requests,
                             const ConstitutionConfig& config,
                             const ProgressFunction& progress = {});

// By their weights.
struct PairMakers {
  std::string drafted_by, judged_by;
};
// {"prompt", "chosen", "rejected", "metadata"}, a pair a line: what preference tuning reads. The
// metadata has the deed, its odds, and who made the pair.
std::string pairs_to_jsonl(const Principle& principle, std::span<const JudgedRequest> pairs,
                           const PairMakers& makers);
// {"messages", "metadata"}, the requests with their chosen answers, one a line.
std::string rows_to_jsonl(const Principle& principle, std::span<const JudgedRequest> pairs,
                          const PairMakers& makers);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTITUTION_CONSTITUTION_H_
