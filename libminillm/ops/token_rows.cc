#include "libminillm/ops/token_rows.h"

#include <algorithm>

#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"

namespace minillm {
namespace {

MINILLM_MULTIVERSION
Real logit_of(const Real* a, const Real* b, Index size) {
  return lane_sum(size, [&](Index i) { return a[i] * b[i]; });
}

// to += scale (from - less)
MINILLM_MULTIVERSION
void add_difference(Real* to, Real scale, const Real* from, const Real* less, Index size) {
  for (Index i = 0; i < size; ++i) to[i] += scale * (from[i] - less[i]);
}
MINILLM_MULTIVERSION
void add_scaled(Real* to, Real scale, const Real* from, Index size) {
  for (Index i = 0; i < size; ++i) to[i] += scale * from[i];
}

// A row of the head's matrix; grows only, so that a step allocates nothing.
thread_local std::vector<Real> t_row;

// The token's place among the replaced ones; -1: it is none of them.
Index place_of(const TokenRows& replaced, Token token) {
  const auto found = std::ranges::lower_bound(replaced.ids, token);
  return found != replaced.ids.end() && *found == token ? found - replaced.ids.begin() : -1;
}

// Calls visit(n, its replaced rows, place among them) for the rows of the batch that have one.
template <typename Visit>
void for_each_replaced(std::span<const Token> tokens, const TokenRowsPass& pass, Visit&& visit) {
  if (!pass.any()) return;
  for (const LowRankPass::Rows& rows : pass.updated) {
    const TokenRows& replaced = pass.replaced[rows.update];
    if (replaced.ids.empty()) continue;
    for (Index n = rows.begin; n < rows.end; ++n)
      if (const Index place = place_of(replaced, tokens[static_cast<size_t>(n)]); place >= 0)
        visit(n, replaced, place);
  }
}

}  // namespace

const TokenRows* TokenRowsPass::of(Index row) const {
  const auto after = std::ranges::upper_bound(updated, row, {}, &LowRankPass::Rows::begin);
  if (after == updated.begin() || row >= (after - 1)->end) return nullptr;
  const TokenRows& found = replaced[(after - 1)->update];
  return found.ids.empty() ? nullptr : &found;
}

void replace_embeddings(View y, std::span<const Token> tokens, const TokenRowsPass& pass) {
  for_each_replaced(tokens, pass, [&](Index n, const TokenRows& replaced, Index place) {
    std::copy_n(replaced.rows.row(place), y.cols, y.row(n));
  });
}

void replace_embeddings_backward(ConstView dy, std::span<const Token> tokens,
                                 const TokenRowsPass& pass) {
  for_each_replaced(tokens, pass, [&](Index n, const TokenRows& replaced, Index place) {
    if (replaced.drows.data != nullptr)
      add_scaled(replaced.drows.row(place), 1, dy.row(n), dy.cols);
  });
}

// z_v = sum_c x_c row_vc
void replace_logits_of(Real* z, const Real* x, const TokenRows& replaced) {
  for (size_t i = 0; i < replaced.ids.size(); ++i)
    z[replaced.ids[i]] = logit_of(x, replaced.rows.row(static_cast<Index>(i)), replaced.rows.cols);
}

// drow_vc += dz_v x_c        dx_c has dz_v w_vc in it, and is to have dz_v row_vc
void replace_logits_backward_of(Real* dx, const Real* dz, const Real* x, const StoredMatrix& matrix,
                                const TokenRows& replaced) {
  const Index C = matrix.cols();
  if (std::ssize(t_row) < C) t_row.resize(static_cast<size_t>(C));
  for (size_t i = 0; i < replaced.ids.size(); ++i) {
    const Token token = replaced.ids[i];
    const auto place = static_cast<Index>(i);
    matrix.read_row(token, t_row.data());
    add_difference(dx, dz[token], replaced.rows.row(place), t_row.data(), C);
    if (replaced.drows.data != nullptr) add_scaled(replaced.drows.row(place), dz[token], x, C);
  }
}

}  // namespace minillm
