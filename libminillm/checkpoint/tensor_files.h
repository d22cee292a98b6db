// TensorFiles: named tensors in one safetensors file, or in the shards of a model.

#ifndef LIBMINILLM_CHECKPOINT_TENSOR_FILES_H_
#define LIBMINILLM_CHECKPOINT_TENSOR_FILES_H_

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/core/tensor_table.h"

namespace minillm {

// Names of the files that hold a checkpoint directory's weights, sorted: model.safetensors, or else
// the shards that model.safetensors.index.json lists. Throws Error if there is neither, or if the
// index is broken.
std::vector<std::string> weight_file_names(const std::string& directory);

class TensorFiles {
 public:
  // One file. Throws Error unless it is a valid safetensors file.
  static TensorFiles open_file(const std::string& path);
  // The weights of a checkpoint directory. Throws Error, also if two shards hold the same tensor or
  // if the shards' tensors are not those of the index. Constants that old checkpoints carry along
  // (*.rotary_emb.inv_freq) are ignored.
  static TensorFiles open_model(const std::string& directory);

  struct Entry {
    const SafetensorsFile* file = nullptr;
    const SafetensorsTensor* tensor = nullptr;
  };
  const std::map<std::string, Entry, std::less<>>& tensors() const { return tensors_; }
  void ignore(const std::string& name) { tensors_.erase(name); }
  // Leaves out what torch.compile, DistributedDataParallel and PEFT put in front of every name.
  void drop_common_prefix();

  // Throws Error unless these are exactly the tensors of `table`, shape by shape.
  void check(const TensorTable& table) const;
  // Reads one tensor; out.size() must be its size. Throws Error if there is none of that name, or
  // if a value is not finite.
  void read(std::string_view name, std::span<Real> out) const;
  // A part of one: elements from `first` on.
  void read_part(std::string_view name, Index first, std::span<Real> out) const;

 private:
  void add(const std::string& path);

  std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Entry, std::less<>> tensors_;
};

// Throws Error naming the first value that is not finite; `subject` holds them, from its element
// `first` on.
void check_finite(std::span<const Real> values, const std::string& subject, Index first = 0);
// Throws Error naming the first of the table's tensors that holds a value that is not finite;
// `subject` is what holds them.
void check_finite(const TensorTable& table, std::span<const Real> arena,
                  const std::string& subject);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_TENSOR_FILES_H_
