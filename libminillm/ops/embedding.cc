#include "libminillm/ops/embedding.h"

#include "libminillm/core/check.h"
#include "libminillm/ops/loops.h"

namespace minillm {

// y_n = table[t_n]
void embedding_forward(View y, std::span<const Token> tokens, const StoredMatrix& table) {
  MINILLM_DCHECK(y.rows == static_cast<Index>(tokens.size()) && y.cols == table.cols());
  for_rows(y.rows, y.cols, [&](Index n) {
    if (tokens[n] < 0)
      std::fill_n(y.row(n), y.cols, Real{0});
    else
      table.read_row(tokens[n], y.row(n));
  });
}

// dtable[t_n] += dy_n. Several rows may name the same token, so threads divide the columns, not the
// rows: every element is summed in ascending n by one thread.
void embedding_backward(View dtable, ConstView dy, std::span<const Token> tokens) {
  if (dtable.data == nullptr) return;
  for_column_blocks(dy.cols, [&](Index c0, Index c1) {
    for (Index n = 0; n < dy.rows; ++n) {
      if (tokens[n] < 0) continue;
      Real* to = dtable.row(tokens[n]);
      const Real* from = dy.row(n);
      for (Index c = c0; c < c1; ++c) to[c] += from[c];
    }
  });
}

}  // namespace minillm
