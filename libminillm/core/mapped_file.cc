#include "libminillm/core/mapped_file.h"

#include <sys/mman.h>

#include "libminillm/core/file_descriptor.h"

namespace minillm {

MappedFile::MappedFile(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  size_ = file.size();
  if (size_ == 0) return;  // mmap refuses empty maps
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) throw_system_error("file", path, "map");
  data_ = memory;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace minillm
