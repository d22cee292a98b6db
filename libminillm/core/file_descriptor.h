// FileDescriptor: an open file of the operating system, closed when it goes. Internal: every system
// call on files is made by file_descriptor.cc, file.cc, mapped_file.cc or run_lock.cc.

#ifndef LIBMINILLM_CORE_FILE_DESCRIPTOR_H_
#define LIBMINILLM_CORE_FILE_DESCRIPTOR_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace minillm {

// Throws Error: `<kind> '<path>': cannot <action>: <errno's text>`.
[[noreturn]] void throw_system_error(const char* kind, const std::string& path, const char* action);

class FileDescriptor {
 public:
  // `flags` as for open(2). Throws Error.
  FileDescriptor(const std::string& path, int flags);
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;

  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }  // the caller closes it
  size_t size() const;

  std::string read_to_end();
  void write_all(std::string_view bytes);
  // To the disk itself. A failure is final: what was written has to be written anew, to another
  // file.
  void sync();
  void close();  // reports errors, which the destructor cannot

 private:
  std::string path_;
  int descriptor_ = -1;
};

// Throws Error if `path` is missing, a directory, or unreadable.
FileDescriptor open_to_read(const std::string& path);

// Makes the entries of a directory (files created, renamed or removed in it) durable.
void sync_directory(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_FILE_DESCRIPTOR_H_
