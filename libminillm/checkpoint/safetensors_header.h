// The header of a safetensors file: where each tensor is. Internal to safetensors.cc and its tests.
//
//   u64      length of the header, little-endian
//   header   JSON: {"__metadata__": {..},
//                   "name": {"dtype": .., "shape": [..], "data_offsets": [begin, end]}, ..}
//   payload  the tensors, row-major, little-endian; the offsets count from here
//
// Format: https://github.com/huggingface/safetensors (README, "Format").

#ifndef LIBMINILLM_CHECKPOINT_SAFETENSORS_HEADER_H_
#define LIBMINILLM_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsTensor {
  std::string name;
  std::string dtype;         // "F32", "BF16", "I64", ...
  std::vector<Index> shape;  // empty for a scalar
  Index size = 0;            // elements: product of shape
  uint64_t begin = 0;        // first byte, from the start of the FILE
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in the order of their bytes
  SafetensorsMetadata metadata;
};

// Reads and validates the header of a whole file in memory; errors begin with `subject`. Every rule
// of the reference implementation is enforced (the tensors cover the payload without holes,
// overlaps or rest; sizes do not overflow), and stricter ones: no duplicate keys, no control
// characters in names, at most 16 MiB of header, 512 bytes of name, 8 dimensions. Reads nothing
// outside `file`. Throws Error naming the rule.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& subject);

// The bytes before the payload, for tensors stored one after another in the given order: length and
// JSON, padded with spaces to a multiple of 8. Only `name`, `dtype` and `shape` of each tensor are
// read. REQUIRES known dtypes of whole bytes.
std::string make_safetensors_header(const std::vector<SafetensorsTensor>& tensors,
                                    const SafetensorsMetadata& metadata);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_SAFETENSORS_HEADER_H_
