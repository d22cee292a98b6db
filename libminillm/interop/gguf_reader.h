// The GGUF container, versions 2 and 3, read without trust: what gguf_writer.h describes, written
// by others.
//
// A file is refused where ggml's own reader refuses it (gguf.cpp), and where two readers could see
// two files in it: a key or a name that comes twice, a hole between tensors, bytes after the last.
// Nothing is allocated that the file's size does not pay for: values stay where they are until
// somebody asks for them. This file knows nothing of models (gguf_import.h does).

#ifndef LIBMINILLM_INTEROP_GGUF_READER_H_
#define LIBMINILLM_INTEROP_GGUF_READER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/mapped_file.h"
#include "libminillm/core/real.h"

namespace minillm {

// The format's numbers for types of values.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

// A value as it lies in the file.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of an array: of its elements
  bool is_array = false;
  uint64_t count = 1;      // elements of an array
  std::string_view bytes;  // of a text, without its length; of an array, all elements as stored
};

struct GgufTensor {
  std::string name;
  std::vector<Index> shape;     // outermost first, the reverse of the file's order
  uint32_t type = 0;            // ggml_type
  Index size = 0;               // numbers
  uint64_t begin = 0, end = 0;  // bytes of the file
};

struct GgufContents {
  uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;  // in the order of the file
};
// Reads all that precedes the tensors, and checks that they fill the rest. The values refer to
// `file`. Throws Error `<subject>: ...` naming what was expected and what was found.
GgufContents parse_gguf(std::string_view file, const std::string& subject);

// "Q4_K" of 12; "type 99" of what is none.
std::string ggml_type_name(uint32_t type);

// A memory-mapped file.
class GgufFile {
 public:
  // Throws Error `file '<path>': ...`.
  explicit GgufFile(const std::string& path);

  const std::string& subject() const { return subject_; }  // "file '<path>'"
  const std::vector<GgufTensor>& tensors() const { return contents_.tensors; }
  const GgufTensor* find_tensor(std::string_view name) const;  // or nullptr
  bool has(std::string_view key) const { return contents_.values.contains(key); }

  // The value of a key, or nothing if the file does not have it. Any type of whole numbers serves
  // as an integer, any of numbers as a number. Throws Error for a value of another type, for a text
  // that is not UTF-8, and for an integer of more than 63 bits.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  // The elements of an array; none if the file does not have it.
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;

  // The numbers of a tensor, row-major, from F32, F16, BF16 or Q8_0 (scale times quantum, in
  // float). REQUIRES a tensor of this file and out.size() == tensor.size. Throws Error for any
  // other type, naming it, and for a number that is not finite.
  void read(const GgufTensor& tensor, std::span<Real> out) const;
  // Throws Error, naming the type, unless read() knows it.
  void expect_readable(const GgufTensor& tensor) const;
  // Throws Error if the file has become shorter since it was opened.
  void expect_whole() const { file_.expect_whole(); }

 private:
  const GgufValue* find(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, const char* expected) const;

  std::string subject_;
  MappedFile file_;
  GgufContents contents_;
};

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_READER_H_
