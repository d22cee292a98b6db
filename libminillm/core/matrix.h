// Row-major matrices: views that own nothing, and a Matrix that owns its aligned memory.
//
// A view is a pointer, a shape and the distance between rows, so q, k and v can be column blocks of
// one buffer. Kernels take views; shapes travel with them and are never passed as integers.

#ifndef LIBMINILLM_CORE_MATRIX_H_
#define LIBMINILLM_CORE_MATRIX_H_

#include <algorithm>
#include <cassert>
#include <span>
#include <type_traits>

#include "libminillm/core/arena.h"  // Arena
#include "libminillm/core/real.h"

namespace minillm {

// A row-major matrix of T that lives elsewhere. `stride` is the distance between rows, in elements.
template <typename T>
struct BasicView {
  T* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  BasicView() = default;
  BasicView(T* data_, Index rows_, Index cols_) : BasicView(data_, rows_, cols_, cols_) {}
  BasicView(T* data_, Index rows_, Index cols_, Index stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  // A mutable view is also a read-only one.
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  BasicView(const BasicView<U>& other)
      : BasicView(other.data, other.rows, other.cols, other.stride) {}

  T* row(Index r) const {
    assert(0 <= r && r <= rows);
    return data + r * stride;
  }
  T& operator()(Index r, Index c) const {
    assert(0 <= r && r < rows && 0 <= c && c < cols);
    return data[r * stride + c];
  }
  // Rows [begin, end) of this view.
  BasicView row_block(Index begin, Index end) const {
    assert(0 <= begin && begin <= end && end <= rows);
    return {data + begin * stride, end - begin, cols, stride};
  }
  // Columns [begin, end) of this view.
  BasicView col_block(Index begin, Index end) const {
    assert(0 <= begin && begin <= end && end <= cols);
    return {data + begin, rows, end - begin, stride};
  }
};

using View = BasicView<Real>;
using ConstView = BasicView<const Real>;

inline bool same_shape(ConstView a, ConstView b) { return a.rows == b.rows && a.cols == b.cols; }

inline void fill(View view, Real value) {
  for (Index r = 0; r < view.rows; ++r) std::fill_n(view.row(r), view.cols, value);
}

// A matrix that owns its memory: zero at first, move-only, 64-byte aligned.
class Matrix {
 public:
  Matrix() = default;
  Matrix(Index rows, Index cols) : Matrix(rows, cols, cols) {}
  // Rows `stride` apart.
  Matrix(Index rows, Index cols, Index stride)
      : memory_(rows * stride), rows_(rows), cols_(cols), stride_(stride) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  View view() { return {memory_.data(), rows_, cols_, stride_}; }
  ConstView view() const { return {memory_.data(), rows_, cols_, stride_}; }
  // The first `n` rows: batches smaller than the allocation use a prefix of it.
  View top(Index n) { return view().row_block(0, n); }
  ConstView top(Index n) const { return view().row_block(0, n); }
  // All elements. REQUIRES adjacent rows (stride = cols).
  std::span<Real> span() { return memory_.span(); }
  std::span<const Real> span() const { return memory_.span(); }
  Real& operator()(Index r, Index c) { return view()(r, c); }
  Real operator()(Index r, Index c) const { return view()(r, c); }

 private:
  Arena memory_;
  Index rows_ = 0;
  Index cols_ = 0;
  Index stride_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_MATRIX_H_
