#include "libminillm/interop/gguf_writer.h"

#include <bit>
#include <iterator>
#include <limits>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr uint32_t kVersion3 = 3;
constexpr uint64_t kAlignment = 32;  // of a file without general.alignment
constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxDimensions = 4;

enum ValueType : uint32_t { kI32 = 5, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <typename Unsigned>
void append(Unsigned value, std::string& bytes) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) bytes += static_cast<char>(value >> (8 * i));
}

void append_string(std::string_view text, std::string& bytes) {
  append(uint64_t{text.size()}, bytes);
  bytes += text;
}

}  // namespace

GgufEncoding gguf_encoding(WeightEncoding encoding) {
  static constexpr GgufEncoding kEncodings[] = {{0, 0}, {1, 1}, {30, 32}, {8, 7}};
  static_assert(static_cast<size_t>(WeightEncoding::kQ8_0) + 1 == std::size(kEncodings));
  return kEncodings[static_cast<size_t>(encoding)];  // F32, F16, BF16, Q8_0
}

void GgufHeader::begin_pair(const std::string& key, uint32_t type) {
  MINILLM_DCHECK(!key.empty());
  [[maybe_unused]] const bool is_new = keys_.insert(key).second;
  MINILLM_DCHECK(is_new);
  append_string(key, pairs_);
  append(type, pairs_);
}

void GgufHeader::add_u32(const std::string& key, int64_t value) {
  MINILLM_CHECK(value >= 0 && value <= std::numeric_limits<uint32_t>::max(),
                "gguf: '{}': expected a number of 32 bits, got {}", key, value);
  begin_pair(key, kU32);
  append(static_cast<uint32_t>(value), pairs_);
}

void GgufHeader::add_f32(const std::string& key, double value) {
  begin_pair(key, kF32);
  append(std::bit_cast<uint32_t>(static_cast<float>(value)), pairs_);
}

void GgufHeader::add_bool(const std::string& key, bool value) {
  begin_pair(key, kBool);
  append(static_cast<uint8_t>(value), pairs_);
}

void GgufHeader::add_string(const std::string& key, std::string_view value) {
  begin_pair(key, kString);
  append_string(value, pairs_);
}

void GgufHeader::add_strings(const std::string& key, std::span<const std::string> values) {
  begin_pair(key, kArray);
  append(uint32_t{kString}, pairs_);
  append(uint64_t{values.size()}, pairs_);
  for (const std::string& value : values) append_string(value, pairs_);
}

void GgufHeader::add_f32s(const std::string& key, std::span<const float> values) {
  begin_pair(key, kArray);
  append(uint32_t{kF32}, pairs_);
  append(uint64_t{values.size()}, pairs_);
  for (const float value : values) append(std::bit_cast<uint32_t>(value), pairs_);
}

void GgufHeader::add_i32s(const std::string& key, std::span<const int32_t> values) {
  begin_pair(key, kArray);
  append(uint32_t{kI32}, pairs_);
  append(uint64_t{values.size()}, pairs_);
  for (const int32_t value : values) append(static_cast<uint32_t>(value), pairs_);
}

void GgufHeader::add_tensor(const std::string& name, const std::vector<Index>& shape,
                            WeightEncoding encoding) {
  MINILLM_DCHECK(!name.empty() && name.size() <= kMaxNameBytes);
  MINILLM_DCHECK(!shape.empty() && shape.size() <= kMaxDimensions);
  [[maybe_unused]] const bool is_new = names_.insert(name).second;
  MINILLM_DCHECK(is_new);
  append_string(name, tensors_);
  append(static_cast<uint32_t>(shape.size()), tensors_);
  Index size = 1;
  for (auto dimension = shape.rbegin(); dimension != shape.rend(); ++dimension) {
    append(static_cast<uint64_t>(*dimension), tensors_);
    size *= *dimension;
  }
  append(gguf_encoding(encoding).tensor_type, tensors_);
  append(data_bytes_, tensors_);
  const uint64_t bytes = encoded_bytes(encoding, size);
  data_bytes_ += bytes + padding(bytes).size();
}

std::string GgufHeader::bytes() const {
  std::string bytes = "GGUF";
  append(kVersion3, bytes);
  append(uint64_t{names_.size()}, bytes);
  append(uint64_t{keys_.size()}, bytes);
  bytes += pairs_;
  bytes += tensors_;
  bytes += padding(bytes.size());
  return bytes;
}

std::string_view GgufHeader::padding(uint64_t bytes) {
  static constexpr char kZeros[kAlignment] = {};
  return {kZeros, (kAlignment - bytes % kAlignment) % kAlignment};
}

}  // namespace minillm
