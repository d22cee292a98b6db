// ExportFile: a long file that is written tensor by tensor, in constant memory, and appears when it
// is complete. Shared by the exports in this directory.

#ifndef LIBMINILLM_INTEROP_EXPORT_FILE_H_
#define LIBMINILLM_INTEROP_EXPORT_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/file.h"  // FileTransaction
#include "libminillm/interop/weight_encoding.h"

namespace minillm {

struct ExportEvents {
  // Called after every MiB or so. If it throws, nothing is exported.
  std::function<void(uint64_t written, uint64_t total)> on_progress;
};

// What was exported.
struct ExportReport {
  uint64_t bytes = 0;
  Index tensors = 0;
  std::vector<std::string> warnings;  // what other programs will do differently
};

class ExportFile {
 public:
  // `bytes`: the file's exact size. Throws Error if `path` is a directory, if its disk has less
  // room, or if it cannot be written.
  ExportFile(const std::string& path, uint64_t bytes, const ExportEvents& events);

  void write(std::string_view bytes);
  // All rows of a tensor of `cols` columns; the n-th is row `source_row(n)` of the checkpoint's.
  // Throws Error naming the tensor if a number is not finite or too large for the encoding.
  void write_tensor(const TensorFiles& files, const std::string& name, Index cols,
                    WeightEncoding encoding, const std::function<Index(Index)>& source_row);
  void write_tensor(const TensorFiles& files, const std::string& name, Index cols,
                    WeightEncoding encoding);
  uint64_t written() const { return written_; }
  // Makes the file appear. Throws Error.
  void commit();

 private:
  void flush();

  FileTransaction file_;
  uint64_t total_;
  ExportEvents events_;
  uint64_t written_ = 0;  // including what is buffered
  std::string buffer_;
};

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_EXPORT_FILE_H_
