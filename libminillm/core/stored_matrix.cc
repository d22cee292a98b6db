#include "libminillm/core/stored_matrix.h"

#include <cmath>

namespace minillm {
namespace {

// Up to 16 significant bits; 0 stays 0.
float rounded_up(float scale) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(scale) + 0xff) & ~uint32_t{0xff});
}

// The nearest integer, ties to even; |x| < 2^22.
float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

}  // namespace

void round_to_int8(std::span<const Real> row, int8_t* numbers, float* scales) {
  for (size_t begin = 0; begin < row.size(); begin += kInt8Block) {
    const auto block = row.subspan(begin, std::min<size_t>(kInt8Block, row.size() - begin));
    Real largest = 0;
    for (const Real w : block) largest = std::max(largest, std::abs(w));
    const float scale = *scales++ = rounded_up(static_cast<float>(largest / 127));
    for (const Real w : block)
      *numbers++ =
          scale > 0 ? static_cast<int8_t>(nearest(static_cast<float>(w) / scale)) : int8_t{0};
  }
}

void Int8View::read(Index r, Index begin, Index end, Real* to) const {
  const int8_t* const row = numbers.row(r);
  while (begin < end) {
    const Index block = begin / kInt8Block, stop = std::min(end, (block + 1) * kInt8Block);
    const float scale = scales(r, block);
    for (; begin < stop; ++begin) *to++ = static_cast<Real>(scale * static_cast<float>(row[begin]));
  }
}

void StoredMatrix::read(Index r, Index begin, Index end, Real* to) const {
  if (bytes.numbers.data != nullptr)
    bytes.read(r, begin, end, to);
  else if (half.data != nullptr)
    widen(to, half.row(r) + begin, end - begin);
  else
    std::copy_n(matrix.row(r) + begin, end - begin, to);
}

}  // namespace minillm
