// The number the model is made of: float, or double in the build that checks gradients.
//
// The dimensions, the only names that are abbreviated to a letter, in comments and in code:
//
//   N  rows: the tokens of a batch     C  channels: the width of a row
//   S  segments of a batch             H  query heads
//   M  targets of a batch              K  key-value heads; K divides H
//   T  length of a sequence            D  width of a head
//   V  size of the vocabulary          F  width of the feed-forward layer
//   L  layers (blocks)                 R  rank of an adapter

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
using Token = int32_t;  // an id in the vocabulary

}  // namespace minillm

#endif  // LIBMINILLM_CORE_REAL_H_
