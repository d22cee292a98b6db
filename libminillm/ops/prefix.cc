#include "libminillm/ops/prefix.h"

#include <algorithm>

namespace minillm {
namespace {

// Calls visit(n, prefix, i) for the rows of virtual tokens: row n is the i-th of its prefix.
template <typename Visit>
void for_each_virtual(const PrefixPass& pass, Visit&& visit) {
  if (pass.prefixes.empty()) return;
  for (const LowRankPass::Rows& rows : pass.rows) {
    const PrefixRows& prefix = pass.prefixes[rows.update];
    if (prefix.keys.data == nullptr) continue;
    for (Index n = rows.begin; n < rows.end; ++n)
      if (const Index id = pass.tokens[static_cast<size_t>(n)]; id < 0)
        visit(n, prefix, prefix.keys.rows + id);
  }
}

void move_row(View to, Index i, View from, Index n) {
  Real* const source = from.row(n);
  if (to.data != nullptr) {
    Real* const sum = to.row(i);
    for (Index c = 0; c < from.cols; ++c) sum[c] += source[c];
  }
  std::fill_n(source, from.cols, Real{0});
}

}  // namespace

// k_n = K_i        v_n = V_i
void prefix_forward(View keys, View values, const PrefixPass& pass) {
  for_each_virtual(pass, [&](Index n, const PrefixRows& prefix, Index i) {
    std::copy_n(prefix.keys.row(i), keys.cols, keys.row(n));
    std::copy_n(prefix.values.row(i), values.cols, values.row(n));
  });
}

// dK_i += dk_n     dV_i += dv_n     dk_n = dv_n = 0
void prefix_backward(View dkeys, View dvalues, const PrefixPass& pass) {
  for_each_virtual(pass, [&](Index n, const PrefixRows& prefix, Index i) {
    move_row(prefix.dkeys, i, dkeys, n);
    move_row(prefix.dvalues, i, dvalues, n);
  });
}

}  // namespace minillm
