// Loops over rows on several threads, and sums over rows, in which threads divide the columns.

#ifndef LIBMINILLM_OPS_LOOPS_H_
#define LIBMINILLM_OPS_LOOPS_H_

#include <algorithm>

#include "libminillm/core/matrix.h"
#include "libminillm/core/threads.h"

namespace minillm {

// Whether this many elements are worth a second thread: in decoding, rows are few.
inline bool worth_threads(Index elements) { return elements >= 8192; }

// Calls body(r) for every one of `rows` rows of `cols` elements.
template <typename Body>
void for_rows(Index rows, Index cols, Body&& body) {
  for_ranges(rows, worth_threads(rows * cols), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) body(r);
  });
}

// Calls body(c0, c1) for blocks of columns covering [0, cols). An element of a sum over rows then
// belongs to one thread and is added up in ascending row order, for any number of threads.
template <typename Body>
void for_column_blocks(Index cols, Body&& body) {
  constexpr Index kBlock = 32;  // two cache lines of float: threads do not share one
  for_parts((cols + kBlock - 1) / kBlock,
            [&](Index b) { body(b * kBlock, std::min((b + 1) * kBlock, cols)); });
}

// fill, by all threads.
inline void parallel_fill(View view, Real value) {
  for_rows(view.rows, view.cols, [&](Index r) { std::fill_n(view.row(r), view.cols, value); });
}

inline void parallel_copy(View to, ConstView from) {
  for_rows(from.rows, from.cols, [&](Index r) { std::copy_n(from.row(r), from.cols, to.row(r)); });
}

// Multiplies by a factor; nothing to do for 1.
inline void parallel_scale(View view, Real factor) {
  if (factor == 1) return;
  for_rows(view.rows, view.cols, [&](Index r) {
    for (Real* x = view.row(r); x < view.row(r) + view.cols; ++x) *x *= factor;
  });
}

}  // namespace minillm

#endif  // LIBMINILLM_OPS_LOOPS_H_
