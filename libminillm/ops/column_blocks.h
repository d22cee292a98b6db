// Sums over rows without a race: threads divide the columns.

#ifndef LIBMINILLM_OPS_COLUMN_BLOCKS_H_
#define LIBMINILLM_OPS_COLUMN_BLOCKS_H_

#include <algorithm>

#include "libminillm/core/matrix.h"

namespace minillm {

// Whether this many elements are worth a second thread: in decoding, rows are few.
inline bool worth_threads(Index elements) { return elements >= 8192; }

// Calls body(c0, c1) for blocks of columns covering [0, cols), in parallel. An element of a
// sum over rows then belongs to one thread and is added up in ascending row order, for any
// number of threads.
template <typename Body>
void for_column_blocks(Index cols, Body&& body) {
  constexpr Index kBlock = 32;  // two cache lines of float: threads do not share one
  const Index blocks = (cols + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static)
  for (Index b = 0; b < blocks; ++b) body(b * kBlock, std::min((b + 1) * kBlock, cols));
}

// fill, by all threads.
inline void parallel_fill(View view, Real value) {
#pragma omp parallel for schedule(static)
  for (Index r = 0; r < view.rows; ++r) std::fill_n(view.row(r), view.cols, value);
}

inline void parallel_copy(View to, ConstView from) {
#pragma omp parallel for schedule(static)
  for (Index r = 0; r < from.rows; ++r) std::copy_n(from.row(r), from.cols, to.row(r));
}

// Multiplies by a factor; nothing to do for 1.
inline void parallel_scale(View view, Real factor) {
  if (factor == 1) return;
#pragma omp parallel for schedule(static) if (worth_threads(view.rows * view.cols))
  for (Index r = 0; r < view.rows; ++r)
    for (Real* x = view.row(r); x < view.row(r) + view.cols; ++x) *x *= factor;
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_COLUMN_BLOCKS_H_
