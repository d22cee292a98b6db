// MappedFile: a whole file as read-only memory, without reading it first.

#ifndef LIBMINILLM_CORE_MAPPED_FILE_H_
#define LIBMINILLM_CORE_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace minillm {

// Move-only. An empty file maps to an empty span. The library itself only ever replaces files by
// renaming, which leaves old maps intact. Somebody else may cut the file off: reading beyond its
// new end raises SIGBUS, which ends the process unless guard_mapped_files() was called; then zeros
// are read, and expect_whole() tells.
class MappedFile {
 public:
  MappedFile();
  // Throws Error naming the path and the reason (missing, no file but a directory, a pipe or a
  // device, unreadable).
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;

  std::span<const std::byte> bytes() const;
  std::string_view text() const;
  // `read` is a part of bytes() that will hardly be read again: its pages no longer count as memory
  // of the process. Reading it again is allowed.
  void release(std::span<const std::byte> read) const;
  // After reading: throws Error if the file has become shorter since it was mapped, so that what
  // was read may be zeros.
  void expect_whole() const;

 private:
  struct Map;
  std::unique_ptr<Map> map_;
};

// Handles SIGBUS for mapped files in this process, once and for all; signals of other causes do
// what they did before. A program that links the library decides for itself; the tools call it.
void guard_mapped_files();

}  // namespace minillm

#endif  // LIBMINILLM_CORE_MAPPED_FILE_H_
