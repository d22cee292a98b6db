// The model's matrices packed once, for many passes in which they do not change: decoding.

#ifndef LIBMINILLM_NN_PACKED_WEIGHTS_H_
#define LIBMINILLM_NN_PACKED_WEIGHTS_H_

#include <vector>

#include "libminillm/nn/parameters.h"

namespace minillm {

// Weights to hand to Model::forward and Model::logits in place of the model's own. About as large
// as the parameters; half of it in bfloat16, a quarter in int8. Gains and the embedding are the
// model's, which must outlive this; when its parameters change, pack again.
class PackedWeights {
 public:
  PackedWeights(const ModelConfig& config, const Weights& weights, Precision precision);
  const Weights& weights() const { return weights_; }

 private:
  std::vector<PackedMatrix> matrices_;  // never resized: weights_ points at them
  Weights weights_;
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_PACKED_WEIGHTS_H_
