// MappedFile: a whole file as read-only memory, without reading it first.

#ifndef LIBMINILLM_CORE_MAPPED_FILE_H_
#define LIBMINILLM_CORE_MAPPED_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace minillm {

// Move-only. An empty file maps to an empty span. REQUIRES that nobody truncates the file while it
// is mapped; the library itself only ever replaces files by renaming, which leaves old maps intact.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error naming the path and the reason (missing, a directory, unreadable).
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_MAPPED_FILE_H_
