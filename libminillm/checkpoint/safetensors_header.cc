#include "libminillm/checkpoint/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>

#include "libminillm/core/check.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 16 << 20;  // 1,000 layers need less than 2 MiB
constexpr size_t kMaxNameBytes = 512;
constexpr size_t kMaxRank = 8;
constexpr int kMaxDepth = 4;  // the file, a tensor, its shape, and one more for what others add
constexpr Index kMaxIndex = std::numeric_limits<Index>::max();
constexpr size_t kAlignment = 8;

// Bits of an element; 0 for an unknown name.
unsigned dtype_bits(std::string_view dtype) {
  static const std::map<std::string_view, unsigned> bits = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},
      {"I8", 8},      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},        {"BF16", 16},
      {"I32", 32},    {"U32", 32},    {"F32", 32},    {"F64", 64},        {"I64", 64},
      {"U64", 64},    {"C64", 64}};
  const auto found = bits.find(dtype);
  return found == bits.end() ? 0 : found->second;
}

void check_text(const std::string& text, const std::string& subject) {
  const bool printable =
      std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  MINILLM_CHECK(printable, "{}: a name or a metadata value holds a control character", subject);
}

// The header's JSON text, within the file.
std::string_view header_text(std::span<const std::byte> file, const std::string& subject) {
  MINILLM_CHECK(file.size() >= kLengthBytes,
                "{}: not a safetensors file: expected at least {} bytes, got {}", subject,
                kLengthBytes, file.size());
  const auto foreign = describe_foreign_file(
      {reinterpret_cast<const char*>(file.data()), std::min(file.size(), kFileKindBytes)});
  uint64_t length = 0;
  for (uint64_t i = 0; i < kLengthBytes; ++i) length |= uint64_t(file[i]) << (8 * i);
  MINILLM_CHECK(length <= kMaxHeaderBytes || !foreign, "{}: expected a safetensors file, got {}",
                subject, *foreign);
  MINILLM_CHECK(length <= kMaxHeaderBytes,
                "{}: header is too long: expected at most {} bytes, got {}", subject,
                kMaxHeaderBytes, length);
  MINILLM_CHECK(length <= file.size() - kLengthBytes,
                "{}: file is cut off: expected a header of {} bytes, got {}", subject, length,
                file.size() - kLengthBytes);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  size_t bad_byte = 0;
  MINILLM_CHECK(is_valid_utf8(text, &bad_byte), "{}: header is not valid UTF-8 at byte {}", subject,
                kLengthBytes + bad_byte);
  return text;
}

SafetensorsMetadata parse_metadata(const json& value, const std::string& subject) {
  const JsonObject object(value, subject + ": '__metadata__'");
  SafetensorsMetadata metadata;
  for (const auto& [key, text] : object.object().items()) {
    check_text(key, subject);
    metadata[key] = object.string(key.c_str());
    check_text(metadata[key], subject);
  }
  return metadata;
}

// One tensor by itself; its offsets still count from the payload.
SafetensorsTensor parse_tensor(const std::string& name, const json& value,
                               const std::string& file) {
  MINILLM_CHECK(name.size() <= kMaxNameBytes,
                "{}: a tensor's name is too long: expected at most {} bytes, got {}", file,
                kMaxNameBytes, name.size());
  check_text(name, file);
  const std::string subject = fmt::format("{}: tensor '{}'", file, name);
  const JsonObject object(value, subject);
  SafetensorsTensor tensor{name, object.string("dtype"), {}, 1, 0, 0};
  const unsigned bits = dtype_bits(tensor.dtype);
  MINILLM_CHECK(bits != 0, "{}: unknown dtype '{}'", subject, tensor.dtype);

  const json& shape = object.array("shape");
  MINILLM_CHECK(shape.size() <= kMaxRank, "{}: expected at most {} dimensions, got {}", subject,
                kMaxRank, shape.size());
  bool fits = true;
  for (const json& dimension : shape) {
    MINILLM_CHECK(dimension.is_number_unsigned(), "{}: 'shape': expected whole numbers, got {}",
                  subject, shape.dump());
    const uint64_t size = dimension.get<uint64_t>();
    fits = fits && size <= uint64_t{kMaxIndex} &&
           (size == 0 || tensor.size <= kMaxIndex / Index(size));
    tensor.shape.push_back(static_cast<Index>(size));
    tensor.size = fits ? tensor.size * Index(size) : 0;
  }
  fits = fits && tensor.size <= kMaxIndex / bits;
  MINILLM_CHECK(fits, "{}: 'shape': {} is more than any file can hold", subject, shape.dump());

  const json& offsets = object.array("data_offsets");
  MINILLM_CHECK(
      offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned(),
      "{}: 'data_offsets': expected [begin, end], got {}", subject, offsets.dump());
  tensor.begin = offsets[0].get<uint64_t>();
  tensor.end = offsets[1].get<uint64_t>();
  const uint64_t bytes = static_cast<uint64_t>(tensor.size) * bits / 8;
  MINILLM_CHECK(static_cast<uint64_t>(tensor.size) * bits % 8 == 0 && tensor.begin <= tensor.end &&
                    tensor.end - tensor.begin == bytes,
                "{}: 'data_offsets': expected {} bytes for {} of shape {}, got {}", subject, bytes,
                tensor.dtype, shape.dump(), offsets.dump());
  return tensor;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& subject) {
  const std::string_view text = header_text(file, subject);
  const json parsed = parse_json(text, subject + ": header", kMaxDepth);
  SafetensorsHeader header;
  for (const auto& [name, value] : JsonObject(parsed, subject + ": header").object().items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(value, subject);
    } else {
      header.tensors.push_back(parse_tensor(name, value, subject));
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });

  // The tensors cover every byte of the payload once: no two alias, and nothing else hides there.
  const uint64_t payload = kLengthBytes + text.size();
  uint64_t covered = 0;
  for (SafetensorsTensor& tensor : header.tensors) {
    MINILLM_CHECK(tensor.begin == covered,
                  "{}: tensor '{}': hole or overlap: expected it to begin at {}, got {}", subject,
                  tensor.name, covered, tensor.begin);
    covered = tensor.end;
    tensor.begin += payload;
    tensor.end += payload;
  }
  MINILLM_CHECK(covered == file.size() - payload,
                "{}: expected {} bytes of tensors, got {} (the file is {})", subject, covered,
                file.size() - payload, covered > file.size() - payload ? "cut off" : "too long");
  return header;
}

std::string make_safetensors_header(const std::vector<SafetensorsTensor>& tensors,
                                    const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    MINILLM_DCHECK(dtype_bits(tensor.dtype) % 8 == 0 && dtype_bits(tensor.dtype) > 0);
    uint64_t end = begin + dtype_bits(tensor.dtype) / 8;
    for (Index dimension : tensor.shape)
      end = begin + (end - begin) * static_cast<uint64_t>(dimension);
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  std::string length;
  for (uint64_t i = 0; i < kLengthBytes; ++i) length += static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

}  // namespace minillm
