#include "libminillm/nn/packed_weights.h"

namespace minillm {

PackedWeights::PackedWeights(const ModelConfig& config, const Weights& weights, Precision precision)
    : weights_(weights) {
  size_t count = 0;
  for_each_product(config, weights_, [&](Weight&) { ++count; });
  matrices_.resize(count);
  auto next = matrices_.begin();
  for_each_product(config, weights_, [&](Weight& weight) {
    next->pack_nt(weight, precision);
    weight.packed = &*next++;
  });
}

}  // namespace minillm
