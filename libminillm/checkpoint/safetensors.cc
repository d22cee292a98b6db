#include "libminillm/checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

// Payload bytes are the arena's bytes: nothing has to be converted for writing.
constexpr bool kRealIsFileFormat =
    std::is_same_v<Real, float> && std::endian::native == std::endian::little;

uint32_t load_little_endian(const std::byte* bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint32_t(bytes[i]) << (8 * i);
  return value;
}

// Payloads need not be aligned, so every element is put together from its bytes.
template <size_t kBytes, typename Decode>
void decode(std::span<const std::byte> bytes, std::span<Real> out, Decode&& value_of) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<Real>(value_of(load_little_endian(&bytes[kBytes * i], kBytes)));
  }
}

[[maybe_unused]] std::string encode_f32(std::span<const Real> values) {
  std::string bytes;
  bytes.reserve(values.size() * sizeof(float));
  for (Real value : values) {
    const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(bits >> shift);
  }
  return bytes;
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::string path)
    : path_(std::move(path)),
      file_(path_),
      header_(parse_safetensors_header(file_.bytes(), fmt::format("file '{}'", path_))) {}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::find_if(tensors().begin(), tensors().end(),
                                  [&](const auto& t) { return t.name == name; });
  return found == tensors().end() ? nullptr : &*found;
}

void SafetensorsFile::read(const SafetensorsTensor& tensor, std::span<Real> out) const {
  MINILLM_DCHECK(out.size() == static_cast<size_t>(tensor.size));
  read_part(tensor, 0, out);
}

void SafetensorsFile::read_part(const SafetensorsTensor& tensor, Index first,
                                std::span<Real> out) const {
  MINILLM_DCHECK(first >= 0 && first + static_cast<Index>(out.size()) <= tensor.size);
  std::span<const std::byte> bytes;
  const auto part = [&](size_t element_bytes) {
    return bytes = file_.bytes().subspan(tensor.begin + static_cast<size_t>(first) * element_bytes,
                                         out.size() * element_bytes);
  };
  if (tensor.dtype == "F32") {
    decode<4>(part(4), out, [](uint32_t bits) { return std::bit_cast<float>(bits); });
  } else if (tensor.dtype == "BF16") {
    decode<2>(part(2), out,
              [](uint32_t bits) { return bfloat16_to_float(static_cast<uint16_t>(bits)); });
  } else if (tensor.dtype == "F16") {
    decode<2>(part(2), out,
              [](uint32_t bits) { return float16_to_float(static_cast<uint16_t>(bits)); });
  } else {
    throw Error(fmt::format("file '{}': tensor '{}': expected dtype F32, F16 or BF16, got {}",
                            path_, tensor.name, tensor.dtype));
  }
  file_.expect_whole();
  file_.release(bytes);  // a model of gigabytes is not in memory twice while it is read
}

SafetensorsImage::SafetensorsImage(const std::vector<NamedTensor>& tensors,
                                   const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsTensor> entries;
  for (const NamedTensor& tensor : tensors) {
    entries.push_back(
        {tensor.name, "F32", tensor.shape, static_cast<Index>(tensor.values.size()), 0, 0});
  }
  header_ = make_safetensors_header(entries, metadata);
  pieces_.push_back(header_);
  converted_.reserve(tensors.size());  // so that views into it stay valid
  for (const NamedTensor& tensor : tensors) {
    if constexpr (kRealIsFileFormat) {
      pieces_.emplace_back(reinterpret_cast<const char*>(tensor.values.data()),
                           tensor.values.size_bytes());
    } else {
      pieces_.push_back(converted_.emplace_back(encode_f32(tensor.values)));
    }
  }
}

void append_f32(std::span<const Real> values, const std::function<void(std::string_view)>& append) {
  if constexpr (kRealIsFileFormat)
    append({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  else
    append(encode_f32(values));
}

}  // namespace minillm
