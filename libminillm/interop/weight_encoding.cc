#include "libminillm/interop/weight_encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr uint64_t kQ8BlockBytes = 2 + kQ8BlockSize;

template <typename Bits>
void append_bits(Bits bits, std::string& bytes) {
  for (size_t i = 0; i < sizeof(Bits); ++i) bytes += static_cast<char>(bits >> (8 * i));
}

void append_f16(float value, const std::string& subject, std::string& bytes) {
  const uint16_t bits = float_to_float16(value);
  MINILLM_CHECK((bits & 0x7fff) < 0x7c00,
                "{}: {} is too large for f16: expected at most 65504 (export as bf16 or f32)",
                subject, value);
  append_bits(bits, bytes);
}

void append_bf16(float value, const std::string& subject, std::string& bytes) {
  const uint16_t bits = float_to_bfloat16(value);
  MINILLM_CHECK((bits & 0x7fff) < 0x7f80,
                "{}: {} is too large for bf16: expected at most 3.39e38 (export as f32)", subject,
                value);
  append_bits(bits, bytes);
}

void append_q8_block(std::span<const Real> values, const std::string& subject, std::string& bytes) {
  float largest = 0;
  for (const Real value : values) largest = std::max(largest, std::abs(static_cast<float>(value)));
  const float scale = largest / 127;
  MINILLM_CHECK((float_to_float16(scale) & 0x7fff) < 0x7c00,
                "{}: {} is too large for q8_0: expected at most 8.3e6 (export as bf16 or f32)",
                subject, largest);
  append_bits(float_to_float16(scale), bytes);
  // A scale so small that its inverse is infinite is zero in F16, and so are its numbers.
  float inverse = scale == 0 ? 0 : 1 / scale;
  if (!std::isfinite(inverse)) inverse = 0;
  for (const Real value : values) {
    const float quantum = std::round(static_cast<float>(value) * inverse);
    bytes += static_cast<char>(static_cast<int8_t>(quantum));
  }
}

}  // namespace

const char* weight_encoding_name(WeightEncoding encoding) {
  switch (encoding) {
    case WeightEncoding::kF32:
      return "f32";
    case WeightEncoding::kF16:
      return "f16";
    case WeightEncoding::kBf16:
      return "bf16";
    default:
      return "q8_0";
  }
}

uint64_t encoded_bytes(WeightEncoding encoding, Index count) {
  const auto numbers = static_cast<uint64_t>(count);
  if (encoding == WeightEncoding::kF32) return 4 * numbers;
  if (encoding != WeightEncoding::kQ8_0) return 2 * numbers;
  MINILLM_DCHECK(count % kQ8BlockSize == 0);
  return numbers / kQ8BlockSize * kQ8BlockBytes;
}

void append_encoded(WeightEncoding encoding, std::span<const Real> values,
                    const std::string& subject, std::string& bytes) {
  switch (encoding) {
    case WeightEncoding::kF32:
      for (const Real value : values)
        append_bits(std::bit_cast<uint32_t>(static_cast<float>(value)), bytes);
      return;
    case WeightEncoding::kF16:
      for (const Real value : values) append_f16(static_cast<float>(value), subject, bytes);
      return;
    case WeightEncoding::kBf16:
      for (const Real value : values) append_bf16(static_cast<float>(value), subject, bytes);
      return;
    case WeightEncoding::kQ8_0:
      MINILLM_DCHECK(values.size() % kQ8BlockSize == 0);
      for (size_t i = 0; i + kQ8BlockSize <= values.size(); i += kQ8BlockSize)
        append_q8_block(values.subspan(i, kQ8BlockSize), subject, bytes);
      return;
  }
}

}  // namespace minillm
