// The types of values and of tensors' numbers in GGUF files. Internal to the reader.
//
// Sizes: ggml-common.h, and the table GGML_QUANT_SIZES of gguf-py.

#ifndef LIBMINILLM_INTEROP_GGUF_TYPES_H_
#define LIBMINILLM_INTEROP_GGUF_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libminillm/interop/gguf_reader.h"  // GgufType

namespace minillm {

// A type of tensors: `block` numbers are stored in `bytes` bytes.
struct GgmlType {
  uint32_t number;
  const char* name;
  uint64_t block, bytes;
};
const GgmlType* find_ggml_type(uint32_t number);  // or nullptr

// Of one value; 0 for texts and arrays, which say it themselves.
size_t gguf_value_bytes(GgufType type);

// A little-endian number of at most 8 bytes.
inline uint64_t unsigned_of(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}
// The same of a known length, which compilers make one load of.
template <typename Unsigned>
Unsigned load_little_endian(const char* bytes) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(Unsigned); ++i)
    value = static_cast<Unsigned>(value | Unsigned{static_cast<uint8_t>(bytes[i])} << (8 * i));
  return value;
}

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_TYPES_H_
