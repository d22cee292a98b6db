// StoredMatrix: a matrix of weights as it is kept in memory. Where it is not trained, in bfloat16,
// in half the memory, or in 8-bit integers, in a quarter. Nothing is computed in either: products
// widen a panel at a time (ops/gemm/packing.h).

#ifndef LIBMINILLM_CORE_STORED_MATRIX_H_
#define LIBMINILLM_CORE_STORED_MATRIX_H_

#include <algorithm>
#include <span>

#include "libminillm/core/bfloat16.h"
#include "libminillm/core/matrix.h"

namespace minillm {

// 8-bit integers q with one scale for each 256 numbers of a row, the rounding of int8 products
// (ops/gemm/gemm.h, Precision::kInt8):
//
//   w_rk ~ scale_rb q_rk     b = k div 256,  scale_rb = max_b |w| / 127,  q = round(w / scale)
//
// The scale is rounded up to 16 significant bits: then scale x q, which has 23, is exact, and a
// matrix that has been rounded once is not changed by rounding it again.
inline constexpr Index kInt8Block = 256;
inline Index int8_blocks(Index cols) { return (cols + kInt8Block - 1) / kInt8Block; }

struct Int8View {
  BasicView<const int8_t> numbers;  // [rows, cols]
  BasicView<const float> scales;    // [rows, int8_blocks(cols)]

  // Columns [begin, end) of row r.
  void read(Index r, Index begin, Index end, Real* to) const;
};

// Rounds a row to numbers [row.size()] and scales [int8_blocks(row.size())]. REQUIRES finite ones.
void round_to_int8(std::span<const Real> row, int8_t* numbers, float* scales);

struct StoredMatrix {
  // One of them; the others are null.
  ConstView matrix;
  BasicView<const Bfloat16> half;
  Int8View bytes;

  StoredMatrix() = default;
  StoredMatrix(ConstView matrix_) : matrix(matrix_) {}
  StoredMatrix(View matrix_) : matrix(matrix_) {}

  bool is_narrow() const { return half.data != nullptr || bytes.numbers.data != nullptr; }
  Index rows() const { return std::max({matrix.rows, half.rows, bytes.numbers.rows}); }
  Index cols() const { return std::max({matrix.cols, half.cols, bytes.numbers.cols}); }
  // Columns [begin, end) of row r.
  void read(Index r, Index begin, Index end, Real* to) const;
  void read_row(Index r, Real* to) const { read(r, 0, cols(), to); }
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_STORED_MATRIX_H_
