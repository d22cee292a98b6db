// The order of a query or key matrix's rows in other programs' files.
//
// RoPE turns pairs of a head's D values. Ours and Hugging Face's are (i, i + D/2), "half-split";
// Meta's, llama2.c's and those of GGUF's llama are (2i, 2i + 1), "interleaved". The results are the
// same if the rows that make the values change places within each head (H for q, K for k).

#ifndef LIBMINILLM_INTEROP_ROPE_ORDER_H_
#define LIBMINILLM_INTEROP_ROPE_ORDER_H_

#include "libminillm/core/real.h"

namespace minillm {

// The row of the half-split matrix that is row `row` of the interleaved one: within a head, 2i + j
// is j D/2 + i.
inline Index half_split_row(Index row, Index head_dim) {
  const Index head = row / head_dim, within = row % head_dim;
  return head * head_dim + within % 2 * (head_dim / 2) + within / 2;
}

// Its inverse: the row of the interleaved matrix that is row `row` of the half-split one.
inline Index interleaved_row(Index row, Index head_dim) {
  const Index head = row / head_dim, within = row % head_dim;
  return head * head_dim + within % (head_dim / 2) * 2 + within / (head_dim / 2);
}

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_ROPE_ORDER_H_
