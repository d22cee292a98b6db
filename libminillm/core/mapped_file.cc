#include "libminillm/core/mapped_file.h"

#include <sys/mman.h>

#include "libminillm/core/file_calls.h"
#include "libminillm/core/file_descriptor.h"

namespace minillm {

MappedFile::MappedFile(const std::string& path) {
  const FileDescriptor file = FileDescriptor::to_read(path);
  size_ = file.size();
  if (size_ == 0) return;  // mmap refuses empty maps
  void* memory = file_calls::map(file.get(), path, size_);
  if (memory == MAP_FAILED) throw_system_error("file", path, "map");
  data_ = memory;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace minillm
