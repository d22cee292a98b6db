// Safetensors files: reading those of others, writing ours.

#ifndef LIBMINILLM_CHECKPOINT_SAFETENSORS_H_
#define LIBMINILLM_CHECKPOINT_SAFETENSORS_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/checkpoint/safetensors_header.h"  // SafetensorsTensor, SafetensorsMetadata
#include "libminillm/core/mapped_file.h"

namespace minillm {

// A memory-mapped safetensors file.
class SafetensorsFile {
 public:
  // Validates the whole header (see parse_safetensors_header). Throws Error.
  explicit SafetensorsFile(std::string path);

  const std::string& path() const { return path_; }
  const std::vector<SafetensorsTensor>& tensors() const { return header_.tensors; }
  const SafetensorsMetadata& metadata() const { return header_.metadata; }
  // The tensor of that name, or nullptr.
  const SafetensorsTensor* find(std::string_view name) const;
  // The tensor's values, converted from F32, F16 or BF16. REQUIRES a tensor of this file and
  // out.size() == tensor.size. Throws Error for any other dtype.
  void read(const SafetensorsTensor& tensor, std::span<Real> out) const;
  // A part of them: elements from `first` on. REQUIRES first + out.size() <= tensor.size.
  void read_part(const SafetensorsTensor& tensor, Index first, std::span<Real> out) const;

 private:
  std::string path_;
  MappedFile file_;
  SafetensorsHeader header_;
};

// A tensor to be written.
struct NamedTensor {
  std::string name;
  std::vector<Index> shape;
  std::span<const Real> values;  // as many as the product of shape
};

// The bytes of a safetensors file of F32 tensors in the given order, as pieces to be written one
// after another. If Real is float, the payload is not copied, so `tensors` must outlive the image.
class SafetensorsImage {
 public:
  SafetensorsImage(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata);
  SafetensorsImage(const SafetensorsImage&) = delete;
  SafetensorsImage& operator=(const SafetensorsImage&) = delete;

  std::span<const std::string_view> pieces() const { return pieces_; }

 private:
  std::string header_;
  std::vector<std::string> converted_;
  std::vector<std::string_view> pieces_;
};

// Values as such a file has them, to `append`: without a copy if Real is float.
void append_f32(std::span<const Real> values, const std::function<void(std::string_view)>& append);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_SAFETENSORS_H_
