// GGUF files' values and tensors, once the file is known to be sound.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/checkpoint/tensor_files.h"  // check_finite
#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/interop/gguf_reader.h"
#include "libminillm/interop/gguf_types.h"

namespace minillm {
namespace {

constexpr size_t kLengthBytes = 8;  // of a text's length
constexpr uint32_t kF32 = 0, kF16 = 1, kQ8_0 = 8, kBf16 = 30;

constexpr GgmlType kTypes[] = {
    {kF32, "F32", 1, 4},      {kF16, "F16", 1, 2},      {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {kQ8_0, "Q8_0", 32, 34},  {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},   {kBf16, "BF16", 1, 2},    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17}};

const char* type_name(GgufType type) {
  static constexpr const char* kNames[] = {
      "a number",      "a number", "a number", "a number", "a number", "a number",  "a fraction",
      "a truth value", "a text",   "an array", "a number", "a number", "a fraction"};
  return kNames[static_cast<size_t>(type)];
}

bool is_signed(GgufType type) {
  return type == GgufType::kI8 || type == GgufType::kI16 || type == GgufType::kI32 ||
         type == GgufType::kI64;
}
bool is_integer(GgufType type) {
  return is_signed(type) || type == GgufType::kU8 || type == GgufType::kU16 ||
         type == GgufType::kU32 || type == GgufType::kU64;
}
bool is_number(GgufType type) {
  return is_integer(type) || type == GgufType::kF32 || type == GgufType::kF64;
}

// Moves the sign of a shorter number to the front. Beyond 63 bits: the largest there is, plus one.
int64_t signed_of(std::string_view bytes) {
  const size_t unused = 64 - 8 * bytes.size();
  return static_cast<int64_t>(unsigned_of(bytes) << unused) >> unused;
}

double number_of(GgufType type, std::string_view bytes) {
  if (type == GgufType::kF32)
    return double{std::bit_cast<float>(static_cast<uint32_t>(unsigned_of(bytes)))};
  if (type == GgufType::kF64) return std::bit_cast<double>(unsigned_of(bytes));
  return is_signed(type) ? static_cast<double>(signed_of(bytes))
                         : static_cast<double>(unsigned_of(bytes));
}

// `out` from numbers of one size each.
template <typename Bits, typename Convert>
void convert(std::string_view bytes, std::span<Real> out, Convert&& convert_bits) {
  for (size_t i = 0; i < out.size(); ++i)
    out[i] =
        static_cast<Real>(convert_bits(load_little_endian<Bits>(bytes.data() + sizeof(Bits) * i)));
}

void read_q8_0(std::string_view bytes, std::span<Real> out) {
  constexpr size_t kBlock = 32, kBlockBytes = 34;
  for (size_t block = 0; block * kBlock < out.size(); ++block) {
    const size_t begin = block * kBlockBytes;
    const float scale = float16_to_float(load_little_endian<uint16_t>(bytes.data() + begin));
    for (size_t i = 0; i < kBlock; ++i)
      out[block * kBlock + i] =
          static_cast<Real>(scale * static_cast<float>(static_cast<int8_t>(bytes[begin + 2 + i])));
  }
}

}  // namespace

const GgmlType* find_ggml_type(uint32_t number) {
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const GgmlType& type) { return type.number == number; });
  return found == std::end(kTypes) ? nullptr : found;
}

std::string ggml_type_name(uint32_t type) {
  const GgmlType* found = find_ggml_type(type);
  return found != nullptr ? found->name : fmt::format("type {}", type);
}

size_t gguf_value_bytes(GgufType type) {
  static constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kBytes[static_cast<size_t>(type)];
}

GgufFile::GgufFile(const std::string& path)
    : subject_(fmt::format("file '{}'", path)),
      file_(path),
      contents_(parse_gguf(file_.text(), subject_)) {}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = std::find_if(tensors().begin(), tensors().end(),
                                  [&](const GgufTensor& t) { return t.name == name; });
  return found == tensors().end() ? nullptr : &*found;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = contents_.values.find(key);
  return found == contents_.values.end() ? nullptr : &found->second;
}

void GgufFile::refuse(std::string_view key, const char* expected) const {
  const GgufValue& value = *find(key);
  throw Error(fmt::format("{}: '{}': expected {}, got {}", subject_, key, expected,
                          type_name(value.is_array ? GgufType::kArray : value.type)));
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !is_integer(value->type)) refuse(key, "a whole number");
  const int64_t number = signed_of(value->bytes);
  if (is_signed(value->type)) return number;
  const uint64_t whole = unsigned_of(value->bytes);
  MINILLM_CHECK(whole <= uint64_t{std::numeric_limits<int64_t>::max()},
                "{}: '{}': expected at most 63 bits, got {}", subject_, key, whole);
  return static_cast<int64_t>(whole);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !is_number(value->type)) refuse(key, "a number");
  return number_of(value->type, value->bytes);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufType::kBool) refuse(key, "a truth value");
  return value->bytes.front() != 0;
}

std::optional<std::string> GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufType::kString) refuse(key, "a text");
  MINILLM_CHECK(is_valid_utf8(value->bytes), "{}: '{}': expected UTF-8", subject_, key);
  return std::string(value->bytes);
}

std::vector<std::string> GgufFile::texts(std::string_view key) const {
  std::vector<std::string> texts;
  const GgufValue* value = find(key);
  if (value == nullptr) return texts;
  if (!value->is_array || value->type != GgufType::kString) refuse(key, "an array of texts");
  std::string_view rest = value->bytes;
  for (uint64_t i = 0; i < value->count; ++i) {
    const uint64_t size = unsigned_of(rest.substr(0, std::min(rest.size(), kLengthBytes)));
    MINILLM_CHECK(rest.size() >= kLengthBytes && size <= rest.size() - kLengthBytes,
                  "{}: '{}': changed while it was read", subject_, key);
    texts.emplace_back(rest.substr(kLengthBytes, size));
    rest.remove_prefix(kLengthBytes + size);
    MINILLM_CHECK(is_valid_utf8(texts.back()), "{}: '{}': element {}: expected UTF-8", subject_,
                  key, i);
  }
  return texts;
}

std::vector<double> GgufFile::numbers(std::string_view key) const {
  std::vector<double> numbers;
  const GgufValue* value = find(key);
  if (value == nullptr) return numbers;
  if (!value->is_array || !is_number(value->type)) refuse(key, "an array of numbers");
  const size_t size = gguf_value_bytes(value->type);
  for (uint64_t i = 0; i < value->count; ++i)
    numbers.push_back(number_of(value->type, value->bytes.substr(i * size, size)));
  return numbers;
}

void GgufFile::expect_readable(const GgufTensor& tensor) const {
  for (const uint32_t type : {kF32, kF16, kBf16, kQ8_0})
    if (tensor.type == type) return;
  throw Error(fmt::format(
      "{}: tensor '{}' is {}: expected F32, F16, BF16 or Q8_0 (take the model's file in one of "
      "these, which published models usually have beside the smaller ones)",
      subject_, tensor.name, ggml_type_name(tensor.type)));
}

void GgufFile::read(const GgufTensor& tensor, std::span<Real> out) const {
  MINILLM_DCHECK(out.size() == static_cast<size_t>(tensor.size));
  const std::string_view bytes = file_.text().substr(tensor.begin, tensor.end - tensor.begin);
  switch (tensor.type) {
    case kF32:
      convert<uint32_t>(bytes, out, [](uint32_t bits) { return std::bit_cast<float>(bits); });
      break;
    case kF16:
      convert<uint16_t>(bytes, out, float16_to_float);
      break;
    case kBf16:
      convert<uint16_t>(bytes, out, bfloat16_to_float);
      break;
    case kQ8_0:
      read_q8_0(bytes, out);
      break;
    default:
      expect_readable(tensor);
  }
  check_finite(out, fmt::format("{}: tensor '{}'", subject_, tensor.name));
}

}  // namespace minillm
