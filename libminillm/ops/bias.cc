#include "libminillm/ops/bias.h"

#include "libminillm/core/check.h"
#include "libminillm/ops/loops.h"

namespace minillm {

void bias_forward(View y, ConstView bias) {
  MINILLM_DCHECK(bias.rows == y.cols && bias.cols == 1);
  for_rows(y.rows, y.cols, [&](Index n) {
    for (Index o = 0; o < y.cols; ++o) y(n, o) += bias(o, 0);
  });
}

// db_o += sum_n dy_no
void bias_backward(View dbias, ConstView dy) {
  if (dbias.data == nullptr) return;
  for_column_blocks(dy.cols, [&](Index c0, Index c1) {
    for (Index n = 0; n < dy.rows; ++n)
      for (Index o = c0; o < c1; ++o) dbias(o, 0) += dy(n, o);
  });
}

}  // namespace minillm
