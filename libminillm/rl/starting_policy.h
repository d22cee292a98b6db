// StartingPolicy: the model that reinforcement learning began with, which it is held to.

#ifndef LIBMINILLM_RL_STARTING_POLICY_H_
#define LIBMINILLM_RL_STARTING_POLICY_H_

#include <optional>

#include "libminillm/nn/adapter.h"
#include "libminillm/nn/model.h"

namespace minillm {

class StartingPolicy {
 public:
  // Keeps what training will change of `policy`, which must outlive this: of an adapted model its
  // adapter only, as it is now (not none: the start may have been tuned already).
  explicit StartingPolicy(const Model& policy) : policy_(policy) {
    if (const Adapter* adapter = policy.adapter()) {
      adapter_.emplace(with_score(*adapter, policy.config(), false));
      const Adapter* one[] = {&*adapter_};
      adapted_.emplace(policy.weights(), one);
    } else {
      copy_.emplace(with_heads(policy, Heads::kLanguageModel));
      copy_->set_precision(policy.weights().blocks.front().wqkv.precision);
    }
  }

  // To be run with weights(), forward and head.
  const Model& model() const { return copy_ ? *copy_ : policy_; }
  const Weights& weights() const { return copy_ ? copy_->weights() : adapted_->weights(); }
  Index parameter_count() const {
    return copy_ ? copy_->config().parameter_count() : adapter_->tensors().size();
  }

 private:
  const Model& policy_;
  std::optional<Model> copy_;
  std::optional<Adapter> adapter_;
  std::optional<AdaptedWeights> adapted_;
};

}  // namespace minillm

#endif  // LIBMINILLM_RL_STARTING_POLICY_H_
