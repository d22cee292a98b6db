// The GGUF container, version 3: what precedes the tensors, and where each of them is.
//
//   "GGUF"  u32 version  u64 tensors  u64 key-value pairs
//   pair    string key, u32 type, value        (string: u64 length, bytes)
//   tensor  string name, u32 dimensions, u64 each (innermost first), u32 type, u64 offset
//   zeros up to a multiple of 32, then the tensors, each padded to 32 with zeros
//
// All little-endian. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. This file
// knows nothing of models (gguf_export.h does).

#ifndef LIBMINILLM_INTEROP_GGUF_WRITER_H_
#define LIBMINILLM_INTEROP_GGUF_WRITER_H_

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/interop/weight_encoding.h"

namespace minillm {

// The format's numbers for an encoding: of a tensor, and of a file whose matrices have it.
struct GgufEncoding {
  uint32_t tensor_type;  // ggml_type
  uint32_t file_type;    // general.file_type
};
GgufEncoding gguf_encoding(WeightEncoding encoding);

class GgufHeader {
 public:
  // Adds a pair. The type is in the name, as readers check it. REQUIRES a new, non-empty key.
  void add_u32(const std::string& key, int64_t value);  // REQUIRES 0 <= value < 2^32
  void add_f32(const std::string& key, double value);
  void add_bool(const std::string& key, bool value);
  void add_string(const std::string& key, std::string_view value);
  void add_strings(const std::string& key, std::span<const std::string> values);
  void add_f32s(const std::string& key, std::span<const float> values);
  void add_i32s(const std::string& key, std::span<const int32_t> values);

  // The next tensor, row-major of `shape` (outermost first, as everywhere in this library; the
  // format's order is the reverse). REQUIRES a new name of at most 63 bytes, at most 4 dimensions,
  // and whole blocks in each row.
  void add_tensor(const std::string& name, const std::vector<Index>& shape,
                  WeightEncoding encoding);

  // Everything before the first tensor's bytes.
  std::string bytes() const;
  // How many bytes follow: the tensors in the order of add_tensor, each with its padding.
  uint64_t data_bytes() const { return data_bytes_; }
  // The zeros that follow `bytes` bytes of a tensor, or of the header.
  static std::string_view padding(uint64_t bytes);

 private:
  void begin_pair(const std::string& key, uint32_t type);

  std::string pairs_, tensors_;
  std::set<std::string> keys_, names_;
  uint64_t data_bytes_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_WRITER_H_
