// Rows of an embedding, and of a head, that an adapter replaces: those of tokens that the model has
// never seen, such as the marks of a chat. Without them a frozen embedding keeps these as they were
// drawn, and sampled answers hardly ever end.

#ifndef LIBMINILLM_OPS_TOKEN_ROWS_H_
#define LIBMINILLM_OPS_TOKEN_ROWS_H_

#include <span>

#include "libminillm/core/matrix.h"
#include "libminillm/core/stored_matrix.h"
#include "libminillm/ops/low_rank.h"  // LowRankPass::Rows

namespace minillm {

// Row i replaces row ids[i] of the table.
struct TokenRows {
  std::span<const Token> ids;  // [n]     ascending
  ConstView rows;              // [n, C]
  View drows;                  // [n, C]  +=
};

// The tokens of a pass and the rows of its adapters: `replaced[u]` is that of rows whose
// LowRankPass::Rows say u.
struct TokenRowsPass {
  std::span<const LowRankPass::Rows> updated;
  std::span<const TokenRows> replaced;  // by adapter; empty: none replaces any

  bool any() const { return !replaced.empty() && !updated.empty(); }
  // Of row `row` of the batch; null: none.
  const TokenRows* of(Index row) const;
};

// The embedding: y_n = the replaced row, where the token has one; and back, from dy.
void replace_embeddings(View y, std::span<const Token> tokens, const TokenRowsPass& pass);
void replace_embeddings_backward(ConstView dy, std::span<const Token> tokens,
                                 const TokenRowsPass& pass);

// The head: z [M, V] of gathered states x [M, C], of which the m-th is row row_of(m) of the batch.
// The logits of replaced rows become x . row.
//
// Back, after dx = dz W of the head's own matrix W: corrects dx, and adds to drows.
template <typename RowOf>
void replace_logits(View z, ConstView x, const RowOf& row_of, const TokenRowsPass& pass);
template <typename RowOf>
void replace_logits_backward(View dx, ConstView dz, ConstView x, const StoredMatrix& matrix,
                             const RowOf& row_of, const TokenRowsPass& pass);

// --- of one row

void replace_logits_of(Real* z, const Real* x, const TokenRows& replaced);
void replace_logits_backward_of(Real* dx, const Real* dz, const Real* x, const StoredMatrix& matrix,
                                const TokenRows& replaced);

template <typename RowOf>
void replace_logits(View z, ConstView x, const RowOf& row_of, const TokenRowsPass& pass) {
  if (!pass.any()) return;
  for_rows(z.rows, x.cols, [&](Index m) {
    if (const TokenRows* replaced = pass.of(row_of(m)))
      replace_logits_of(z.row(m), x.row(m), *replaced);
  });
}

// One thread: rows share drows, and are few.
template <typename RowOf>
void replace_logits_backward(View dx, ConstView dz, ConstView x, const StoredMatrix& matrix,
                             const RowOf& row_of, const TokenRowsPass& pass) {
  if (!pass.any()) return;
  for (Index m = 0; m < dz.rows; ++m)
    if (const TokenRows* replaced = pass.of(row_of(m)))
      replace_logits_backward_of(dx.row(m), dz.row(m), x.row(m), matrix, *replaced);
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_TOKEN_ROWS_H_
