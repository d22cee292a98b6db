// The number the model is made of: float, or double in the build that checks gradients.

#ifndef LIBMINILLM_CORE_REAL_H_
#define LIBMINILLM_CORE_REAL_H_

#include <cstdint>

namespace minillm {

#ifdef MINILLM_DOUBLE
using Real = double;
#else
using Real = float;
#endif

using Index = int64_t;  // rows, columns, sizes: signed, so that differences are safe
using Token = int32_t;  // an id of the vocabulary

}  // namespace minillm

#endif  // LIBMINILLM_CORE_REAL_H_
