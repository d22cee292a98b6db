// Trainable: what an optimizer moves.

#ifndef LIBMINILLM_NN_TRAINABLE_H_
#define LIBMINILLM_NN_TRAINABLE_H_

#include <span>
#include <vector>

#include "libminillm/core/tensor_table.h"
#include "libminillm/nn/model.h"

namespace minillm {

// Flat arrays that share one table of tensors: all of a model, or an adapter on a model that stays
// as it is.
struct Trainable {
  const TensorTable* tensors = nullptr;
  std::span<Real> parameters, gradients;  // of the table's size
  // What stays as it is: ascending ranges of the arrays, whose gradient is set to zero.
  std::vector<ElementRange> frozen = {};
  // The model whose blocks the arrays are, layer by layer; null: an adapter.
  Model* blocks = nullptr;
};

// What is trained of a model: its adapter, or all of it if it has none.
inline Trainable trainable_of(Model& model) {
  if (Adapter* adapter = model.adapter())
    return {&adapter->tensors(), adapter->parameters(), model.gradients()};
  return {&model.tensors(), model.parameters(), model.gradients(), {}, &model};
}

}  // namespace minillm

#endif  // LIBMINILLM_NN_TRAINABLE_H_
