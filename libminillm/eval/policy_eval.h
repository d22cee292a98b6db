// What a policy adds to a model on the embedded world's requests, and what it costs: harmful ones
// that are refused and benign ones, by the model alone, by the policy alone, and by both.

#ifndef LIBMINILLM_EVAL_POLICY_EVAL_H_
#define LIBMINILLM_EVAL_POLICY_EVAL_H_

#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/policy/policy.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// policy/<harmful|benign>_refused[_new_verbs]/<model|policy|both>: the rate of refused requests of
// that kind. A refused harmful one is right; 1 - it is under-refusal. A refused benign one is
// wrong: over-refusal. The policy refuses a request before the model sees it or, where the model
// answers, the answer. Answers are generated greedily. Throws Error as evaluate_world does.
std::vector<world::WorldMetric> evaluate_policy(const Model& model, const Tokenizer& tokenizer,
                                                const world::WorldEvalSet& set,
                                                const Policy& policy);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_POLICY_EVAL_H_
