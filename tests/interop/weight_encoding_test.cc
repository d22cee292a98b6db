#include "libminillm/interop/weight_encoding.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/core/rng.h"
#include "libminillm/interop/rope_order.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

std::string encoded(WeightEncoding encoding, const std::vector<Real>& values) {
  std::string bytes;
  append_encoded(encoding, values, "tensor 'x'", bytes);
  EXPECT_EQ(bytes.size(), encoded_bytes(encoding, static_cast<Index>(values.size())));
  return bytes;
}

uint16_t word(const std::string& bytes, size_t at = 0) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) | static_cast<uint8_t>(bytes[at + 1])
                                                                     << 8);
}

TEST(HalfFloat, NarrowingUndoesWideningForEveryNumber) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const bool is_f16 = (bits & 0x7fff) <= 0x7c00, is_bf16 = (bits & 0x7fff) <= 0x7f80;  // no NaN
    ASSERT_TRUE(!is_f16 || float_to_float16(float16_to_float(half)) == half) << bits;
    ASSERT_TRUE(!is_bf16 || float_to_bfloat16(bfloat16_to_float(half)) == half) << bits;
  }
  EXPECT_TRUE(std::isnan(float16_to_float(float_to_float16(NAN))));
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
}

// Of two neighbours the nearer one is taken, and half way between them the even one.
TEST(HalfFloat, RoundsToTheNearestAndToEven) {
  for (uint16_t low = 0; low < 0x7bff; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    const float a = float16_to_float(low), b = float16_to_float(high), middle = (a + b) / 2;
    ASSERT_EQ(float_to_float16(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(float_to_float16(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(float_to_float16(std::nextafter(middle, 1e9f)), high) << low;
    ASSERT_EQ(float_to_float16(-middle), 0x8000 | (low % 2 == 0 ? low : high)) << low;
  }
  EXPECT_EQ(float_to_float16(65519.99f), 0x7bff);
  EXPECT_EQ(float_to_float16(65520), 0x7c00);
  EXPECT_EQ(float_to_float16(std::numeric_limits<float>::denorm_min()), 0);
  for (const uint16_t low : {0x0000, 0x0001, 0x3f80, 0x3f81, 0x7f7e}) {
    const uint32_t middle = uint32_t{low} << 16 | 0x8000;
    EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(middle)), low + low % 2) << low;
    EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(middle - 1)), low) << low;
    EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(middle + 1)), low + 1) << low;
  }
}

TEST(WeightEncoding, F32IsTheBytesOfTheNumbers) {
  const std::vector<Real> values = {1, -0.0f, 1e-45f, 3e38f};
  const std::string bytes = encoded(WeightEncoding::kF32, values);
  EXPECT_EQ(std::memcmp(bytes.data(), values.data(), bytes.size()), 0);
}

// d = max|x| / 127 in F16; q = round(x / d) with d before it was rounded, halves away from zero.
TEST(WeightEncoding, Q8IsGgmlsFormula) {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Real> x(64);
    const int scale = static_cast<int>(rng.below(30)) - 20;
    for (Real& value : x) value = static_cast<Real>(std::ldexp(rng.normal(), scale));
    if (round == 0) x.assign(64, 0);
    const std::string bytes = encoded(WeightEncoding::kQ8_0, x);
    for (size_t block = 0; block < 2; ++block) {
      float largest = 0;
      for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[32 * block + i]));
      const float d = largest / 127.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
      ASSERT_EQ(word(bytes, 34 * block), float_to_float16(d));
      for (size_t i = 0; i < 32; ++i) {
        const float scaled = x[32 * block + i] * inverse, floor = std::floor(std::fabs(scaled));
        const float magnitude = floor + (std::fabs(scaled) - floor >= 0.5f ? 1.0f : 0.0f);
        ASSERT_EQ(static_cast<int8_t>(bytes[34 * block + 2 + i]),
                  static_cast<int>(std::copysign(magnitude, scaled)));
      }
    }
  }
}

// A block whose numbers were worked out by hand: 127 is the largest, so d = 1.
TEST(WeightEncoding, Q8RoundsHalvesAwayFromZero) {
  std::vector<Real> x(32, 0);
  x[0] = 127, x[1] = 0.5f, x[2] = -0.5f, x[3] = 1.5f, x[4] = 2.5f, x[5] = -126.5f, x[6] = 0.49f;
  const std::string bytes = encoded(WeightEncoding::kQ8_0, x);
  EXPECT_EQ(word(bytes), 0x3c00);  // 1
  const std::vector<int> expected = {127, 1, -1, 2, 3, -127, 0};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(static_cast<int8_t>(bytes[2 + i]), expected[i]) << i;
}

TEST(WeightEncoding, Q8OfTheSmallestNumbersIsZero) {
  const std::vector<Real> x(32, 1e-42f);  // the inverse of their scale is infinite
  EXPECT_EQ(encoded(WeightEncoding::kQ8_0, x), std::string(34, '\0'));
}

TEST(WeightEncoding, RefusesNumbersThatWouldBecomeInfinite) {
  std::string bytes;
  const std::vector<Real> large = {70000}, larger = {3.4e38f}, block(32, 1e9f);
  EXPECT_ERROR(append_encoded(WeightEncoding::kF16, large, "tensor 'x'", bytes),
               "tensor 'x': 70000 is too large for f16: expected at most 65504");
  EXPECT_ERROR(append_encoded(WeightEncoding::kBf16, larger, "tensor 'x'", bytes),
               "is too large for bf16");
  EXPECT_ERROR(append_encoded(WeightEncoding::kQ8_0, block, "tensor 'x'", bytes),
               "is too large for q8_0");
}

TEST(RopeOrder, OneOrderUndoesTheOther) {
  for (const Index head_dim : {2, 4, 8, 64}) {
    for (Index row = 0; row < 5 * head_dim; ++row) {
      EXPECT_EQ(interleaved_row(half_split_row(row, head_dim), head_dim), row);
      EXPECT_EQ(half_split_row(interleaved_row(row, head_dim), head_dim), row);
      EXPECT_EQ(half_split_row(row, head_dim) / head_dim, row / head_dim) << "another head's row";
    }
  }
  // Pairs of the half-split head (i, i + 4) become neighbours.
  EXPECT_EQ(half_split_row(0, 8), 0);
  EXPECT_EQ(half_split_row(1, 8), 4);
  EXPECT_EQ(half_split_row(2, 8), 1);
  EXPECT_EQ(half_split_row(15, 8), 15);
}

}  // namespace
}  // namespace minillm
