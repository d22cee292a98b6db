#include "libminillm/interop/gguf_reader.h"

#include <algorithm>
#include <limits>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/core/utf8.h"
#include "libminillm/core/visible.h"
#include "libminillm/interop/gguf_types.h"

namespace minillm {
namespace {

constexpr uint64_t kDefaultAlignment = 32, kLargestAlignment = 1 << 20;
constexpr size_t kMaxKeyBytes = 65535, kMaxNameBytes = 63;  // the format's
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxIndex = std::numeric_limits<Index>::max();

// Takes little-endian numbers and texts from the front of a file.
class Cursor {
 public:
  Cursor(std::string_view file, const std::string& subject) : file_(file), subject_(subject) {}

  size_t position() const { return position_; }
  size_t left() const { return file_.size() - position_; }
  std::string_view take(uint64_t size, std::string_view what) {
    MINILLM_CHECK(size <= left(), "{}: cut off: expected {} bytes of {} at byte {}, got {}",
                  subject_, size, visible(what, LineEnds::kShown), position_, left());
    position_ += size;
    return file_.substr(position_ - size, size);
  }
  uint32_t u32(std::string_view what) { return static_cast<uint32_t>(unsigned_of(take(4, what))); }
  uint64_t u64(std::string_view what) { return unsigned_of(take(8, what)); }
  std::string_view text(std::string_view what) { return take(u64(what), what); }

 private:
  std::string_view file_;
  const std::string& subject_;
  size_t position_ = 0;
};

// A name that may be shown and compared: UTF-8 without control characters.
std::string read_name(Cursor& cursor, size_t most, const char* kind, const std::string& subject) {
  const std::string_view name = cursor.text(kind);
  MINILLM_CHECK(!name.empty() && name.size() <= most,
                "{}: {} of a bad length: expected 1 to {} bytes, got {}", subject, kind, most,
                name.size());
  const bool printable =
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  MINILLM_CHECK(printable && is_valid_utf8(name),
                "{}: {} '{}': expected UTF-8 without control characters", subject, kind,
                visible(name, LineEnds::kShown));
  return std::string(name);
}

GgufType read_type(Cursor& cursor, const std::string& subject, const std::string& key) {
  const uint32_t type = cursor.u32(key);
  MINILLM_CHECK(type <= static_cast<uint32_t>(GgufType::kF64),
                "{}: '{}': unknown type of value: expected 0 to 12, got {}", subject, key, type);
  return static_cast<GgufType>(type);
}

GgufValue read_value(Cursor& cursor, const std::string& subject, const std::string& key,
                     std::string_view file) {
  GgufValue value;
  value.type = read_type(cursor, subject, key);
  value.is_array = value.type == GgufType::kArray;
  if (value.is_array) {
    value.type = read_type(cursor, subject, key);
    MINILLM_CHECK(value.type != GgufType::kArray,
                  "{}: '{}': an array of arrays: expected one of numbers or texts", subject, key);
    value.count = cursor.u64(key);
  }
  const size_t size = gguf_value_bytes(value.type);
  if (size > 0) {
    MINILLM_CHECK(value.count <= cursor.left() / size,
                  "{}: '{}': cut off: expected {} elements of {} bytes, got {} bytes", subject, key,
                  value.count, size, cursor.left());
    value.bytes = cursor.take(value.count * size, key);
  } else if (!value.is_array) {
    value.bytes = cursor.text(key);
  } else {
    MINILLM_CHECK(value.count <= cursor.left() / sizeof(uint64_t),
                  "{}: '{}': cut off: expected {} texts, got {} bytes", subject, key, value.count,
                  cursor.left());
    const size_t begin = cursor.position();
    for (uint64_t i = 0; i < value.count; ++i) cursor.text(key);
    value.bytes = file.substr(begin, cursor.position() - begin);
  }
  if (value.type == GgufType::kBool) {
    const bool known = std::all_of(value.bytes.begin(), value.bytes.end(),
                                   [](char c) { return c == 0 || c == 1; });
    MINILLM_CHECK(known, "{}: '{}': a truth value that is neither 0 nor 1", subject, key);
  }
  return value;
}

// All but its place.
GgufTensor read_tensor(Cursor& cursor, const std::string& file) {
  GgufTensor tensor;
  tensor.name = read_name(cursor, kMaxNameBytes, "a tensor's name", file);
  const std::string subject = fmt::format("{}: tensor '{}'", file, tensor.name);
  const uint32_t dimensions = cursor.u32(tensor.name);
  MINILLM_CHECK(1 <= dimensions && dimensions <= kMaxDimensions,
                "{}: expected 1 to {} dimensions, got {}", subject, kMaxDimensions, dimensions);
  uint64_t size = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const uint64_t length = cursor.u64(tensor.name);
    MINILLM_CHECK(1 <= length && length <= kMaxIndex / size,
                  "{}: dimension {} is {}: expected at least 1, and no more numbers than {}",
                  subject, i, length, kMaxIndex);
    size *= length;
    tensor.shape.insert(tensor.shape.begin(), static_cast<Index>(length));
  }
  tensor.size = static_cast<Index>(size);
  tensor.type = cursor.u32(tensor.name);
  const GgmlType* type = find_ggml_type(tensor.type);
  MINILLM_CHECK(type != nullptr, "{}: unknown type {} of numbers (a newer format, or no GGUF file)",
                subject, tensor.type);
  const auto row = static_cast<uint64_t>(tensor.shape.back());
  MINILLM_CHECK(row % type->block == 0,
                "{}: is {}: expected rows of whole blocks of {} numbers, got {}", subject,
                type->name, type->block, row);
  MINILLM_CHECK(size / type->block <= kMaxIndex / type->bytes,
                "{}: {} numbers of {} are more than any file can hold", subject, size, type->name);
  tensor.begin = cursor.u64(tensor.name);
  tensor.end = size / type->block * type->bytes;  // so far counted from its beginning
  return tensor;
}

uint64_t padded(uint64_t bytes, uint64_t alignment) {
  return bytes + (alignment - bytes % alignment) % alignment;
}

uint64_t read_alignment(const GgufContents& contents, const std::string& subject) {
  const auto found = contents.values.find("general.alignment");
  if (found == contents.values.end()) return kDefaultAlignment;
  const GgufValue& value = found->second;
  MINILLM_CHECK(value.type == GgufType::kU32 && !value.is_array,
                "{}: 'general.alignment': expected a number of 32 bits", subject);
  const uint64_t alignment = unsigned_of(value.bytes);
  MINILLM_CHECK(
      alignment > 0 && (alignment & (alignment - 1)) == 0 && alignment <= kLargestAlignment,
      "{}: 'general.alignment': expected a power of two, at most {}, got {}", subject,
      kLargestAlignment, alignment);
  return alignment;
}

// The tensors lie one after another, each padded, up to the end of the file (whose last padding
// some writers leave out).
void place_tensors(GgufContents& contents, size_t header, std::string_view file,
                   const std::string& subject) {
  const uint64_t alignment = read_alignment(contents, subject);
  const uint64_t start = contents.tensors.empty() ? header : padded(header, alignment);
  uint64_t next = 0, end = start;
  for (GgufTensor& tensor : contents.tensors) {
    MINILLM_CHECK(tensor.begin == next,
                  "{}: tensor '{}': hole or overlap: expected it to begin at {}, got {}", subject,
                  tensor.name, next, tensor.begin);
    const uint64_t room = file.size() - std::min<uint64_t>(file.size(), start + next);
    MINILLM_CHECK(tensor.end <= room,
                  "{}: cut off: expected {} bytes of tensor '{}' at byte {}, got {}", subject,
                  tensor.end, tensor.name, start + next, room);
    next = padded(tensor.begin + tensor.end, alignment);
    tensor.begin += start;
    tensor.end += tensor.begin;
    end = tensor.end;
  }
  const uint64_t most = padded(end, alignment);
  MINILLM_CHECK(file.size() <= most, "{}: too long: expected {} bytes, got {}", subject, most,
                file.size());
}

void check_magic(Cursor& cursor, std::string_view file, GgufContents& contents,
                 const std::string& subject) {
  if (!file.starts_with("GGUF")) {
    const auto foreign = describe_foreign_file(file.substr(0, kFileKindBytes));
    throw Error(foreign ? fmt::format("{}: expected a GGUF file, got {}", subject, *foreign)
                        : fmt::format("{}: not a GGUF file: expected 'GGUF' at its beginning, got "
                                      "'{}'",
                                      subject, visible(file.substr(0, 4), LineEnds::kShown)));
  }
  cursor.take(4, "the format's name");
  contents.version = cursor.u32("the version");
  MINILLM_CHECK(contents.version == 0 || (contents.version & 0xffff) != 0,
                "{}: big-endian: expected a little-endian GGUF file", subject);
  MINILLM_CHECK(contents.version == 2 || contents.version == 3,
                "{}: GGUF version {}: expected 2 or 3 (convert the model again)", subject,
                contents.version);
}

}  // namespace

GgufContents parse_gguf(std::string_view file, const std::string& subject) {
  Cursor cursor(file, subject);
  GgufContents contents;
  check_magic(cursor, file, contents, subject);
  const uint64_t tensors = cursor.u64("the number of tensors");
  const uint64_t pairs = cursor.u64("the number of keys");
  for (uint64_t i = 0; i < pairs; ++i) {
    const std::string key = read_name(cursor, kMaxKeyBytes, "a key", subject);
    const GgufValue value = read_value(cursor, subject, key, file);
    MINILLM_CHECK(contents.values.emplace(key, value).second, "{}: the key '{}' comes twice",
                  subject, key);
  }
  std::set<std::string, std::less<>> names;
  for (uint64_t i = 0; i < tensors; ++i) {
    contents.tensors.push_back(read_tensor(cursor, subject));
    MINILLM_CHECK(names.insert(contents.tensors.back().name).second,
                  "{}: the tensor '{}' comes twice", subject, contents.tensors.back().name);
  }
  place_tensors(contents, cursor.position(), file, subject);
  return contents;
}

}  // namespace minillm
