// Embedding: row n of the output is row tokens[n] of the table.

#ifndef LIBMINILLM_OPS_EMBEDDING_H_
#define LIBMINILLM_OPS_EMBEDDING_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/stored_matrix.h"

namespace minillm {

//   y       [N, C]  out
//   tokens  [N]     in   REQUIRES token < V; a negative one (a virtual token) has a row of zeros
//   table   [V, C]  in
void embedding_forward(View y, std::span<const Token> tokens, const StoredMatrix& table);

// Accumulates (+=) into dtable [V, C], given dy [N, C]. A null dtable means that the table is
// frozen: nothing is done.
void embedding_backward(View dtable, ConstView dy, std::span<const Token> tokens);

}  // namespace minillm

#endif  // LIBMINILLM_OPS_EMBEDDING_H_
