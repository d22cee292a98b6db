#include "libminillm/interop/export_file.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

// Checked before the first byte: an hour of writing should not end at a full disk. The old file, if
// there is one, stays until the new one is complete.
std::string checked_path(const std::string& path, uint64_t bytes) {
  MINILLM_CHECK(!is_directory(path), "file '{}': cannot write: it is a directory", path);
  if (file_exists(path) && !is_regular_file(path)) return path;  // a device
  const auto room = free_disk_bytes(path);
  MINILLM_CHECK(!room || *room >= bytes,
                "file '{}': too little room on its disk: expected {} bytes, got {} (choose another "
                "disk, or a smaller type of weights)",
                path, bytes, *room);
  return path;
}

}  // namespace

ExportFile::ExportFile(const std::string& path, uint64_t bytes, const ExportEvents& events)
    : file_(checked_path(path, bytes), FileTransaction::Of::kUser),
      total_(bytes),
      events_(events) {}

void ExportFile::write(std::string_view bytes) {
  buffer_ += bytes;
  written_ += bytes.size();
  if (buffer_.size() >= kBufferBytes) flush();
}

void ExportFile::flush() {
  file_.write(buffer_);
  buffer_.clear();
  if (events_.on_progress) events_.on_progress(written_, total_);
}

void ExportFile::write_tensor(const TensorFiles& files, const std::string& name, Index cols,
                              WeightEncoding encoding,
                              const std::function<Index(Index)>& source_row) {
  const Index rows = files.tensors().at(name).tensor->size / cols;
  const std::string subject = fmt::format("tensor '{}'", name);
  std::vector<Real> row(static_cast<size_t>(cols));
  for (Index n = 0; n < rows; ++n) {
    files.read_part(name, source_row(n) * cols, row);
    const size_t before = buffer_.size();
    append_encoded(encoding, row, subject, buffer_);
    written_ += buffer_.size() - before;
    if (buffer_.size() >= kBufferBytes) flush();
  }
}

void ExportFile::write_tensor(const TensorFiles& files, const std::string& name, Index cols,
                              WeightEncoding encoding) {
  write_tensor(files, name, cols, encoding, [](Index row) { return row; });
}

void ExportFile::commit() {
  flush();
  MINILLM_DCHECK(written_ == total_);
  file_.commit();
}

}  // namespace minillm
