#include "libminillm/ops/low_rank.h"

#include <algorithm>

#include "libminillm/ops/loops.h"

namespace minillm {
namespace {

// The parts' rows of inner states, in order.
template <typename Visit>
void for_each_part(const LowRank& update, Visit&& visit) {
  Index begin = 0;
  for (const LowRank::Part& part : update.parts) {
    visit(part, begin, begin + part.bt.rows);
    begin += part.bt.rows;
  }
}

void multiply(View rows, Real scale) {
  if (scale == 1) return;
  for_rows(rows.rows, rows.cols, [&](Index r) {
    for (Index n = 0; n < rows.cols; ++n) rows(r, n) *= scale;
  });
}

void clear_negative(View rows) {
  for_rows(rows.rows, rows.cols, [&](Index r) {
    for (Index n = 0; n < rows.cols; ++n) rows(r, n) = std::max(rows(r, n), Real{0});
  });
}
// Where the ReLU gave zero, so does its derivative.
void clear_where_zero(View rows, ConstView relu) {
  for_rows(rows.rows, rows.cols, [&](Index r) {
    for (Index n = 0; n < rows.cols; ++n)
      if (relu(r, n) == 0) rows(r, n) = 0;
  });
}

View columns_of(View y, const LowRank::Part& part) {
  return y.col_block(part.out_begin, part.out_begin + part.bt.cols);
}
ConstView columns_of(ConstView y, const LowRank::Part& part) {
  return y.col_block(part.out_begin, part.out_begin + part.bt.cols);
}

// Calls visit(update, its rows) for every block of rows that has an update of this product.
template <typename Visit>
void for_each_update(std::span<const LowRank> updates, const LowRankPass& pass, Visit&& visit) {
  for (const LowRankPass::Rows& rows : pass.rows)
    if (const LowRank& update = updates[rows.update]; !update.parts.empty()) visit(update, rows);
}

// Its rows of inner states.
View inner_of(View inner, const LowRank& update, const LowRankPass::Rows& rows) {
  return inner.row_block(update.inner_begin, update.inner_begin + update.a.rows)
      .col_block(rows.begin, rows.end);
}

// h_rn = s f(sum_i A_ri x_ni)        y_no += sum_r h_rn B_or        f: nothing, or ReLU
void forward(View y, View inner, ConstView x, const LowRank& update, Precision precision) {
  gemm_nt(inner, update.a, x, {}, precision);
  if (update.relu) clear_negative(inner);
  for_each_part(update, [&](const LowRank::Part& part, Index begin, Index end) {
    const View own = inner.row_block(begin, end);
    multiply(own, part.scale);
    if (y.data == nullptr) return;
    const View out = columns_of(y, part);
    gemm_tn(out, own, part.bt, out, precision);
  });
}

// dB_or += sum_n dy_no h_rn
// g_rn   = s f'_rn sum_o B_or dy_no     what the inner state, before f and its scale, gets back
// dA_ri += sum_n g_rn x_ni              dx_ni += sum_r g_rn A_ri
void backward(View dx, View dinner, ConstView dy, ConstView x, ConstView inner,
              const LowRank& update, Precision precision) {
  for_each_part(update, [&](const LowRank::Part& part, Index begin, Index end) {
    const ConstView dout = columns_of(dy, part);
    if (part.dbt.data != nullptr)
      gemm_nn(part.dbt, inner.row_block(begin, end), dout, part.dbt, precision);
    const View own = dinner.row_block(begin, end);
    gemm_nt(own, part.bt, dout, {}, precision);
    multiply(own, part.scale);
  });
  if (update.relu) clear_where_zero(dinner, inner);
  if (update.da.data != nullptr) gemm_nn(update.da, dinner, x, update.da, precision);
  gemm_tn(dx, dinner, update.a, dx, precision);
}

}  // namespace

void low_rank_forward(View y, ConstView x, std::span<const LowRank> updates,
                      const LowRankPass& pass, Precision precision) {
  for_each_update(updates, pass, [&](const LowRank& update, const LowRankPass::Rows& rows) {
    const View out = y.data == nullptr ? y : y.row_block(rows.begin, rows.end);
    forward(out, inner_of(pass.inner, update, rows), x.row_block(rows.begin, rows.end), update,
            precision);
  });
}

void low_rank_backward(View dx, ConstView dy, ConstView x, std::span<const LowRank> updates,
                       const LowRankPass& pass, Precision precision) {
  for_each_update(updates, pass, [&](const LowRank& update, const LowRankPass::Rows& rows) {
    backward(dx.row_block(rows.begin, rows.end), inner_of(pass.dinner, update, rows),
             dy.row_block(rows.begin, rows.end), x.row_block(rows.begin, rows.end),
             inner_of(pass.inner, update, rows), update, precision);
  });
}

}  // namespace minillm
