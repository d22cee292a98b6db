// Bias: a number added to every column of a product.

#ifndef LIBMINILLM_OPS_BIAS_H_
#define LIBMINILLM_OPS_BIAS_H_

#include "libminillm/core/matrix.h"

namespace minillm {

//   y     [N, out]  in/out  y_no += b_o
//   bias  [out, 1]  in
void bias_forward(View y, ConstView bias);

// Adds (+=) to dbias [out, 1], given dy [N, out]; null: frozen. The gradient of what the bias was
// added to is dy itself.
void bias_backward(View dbias, ConstView dy);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_BIAS_H_
