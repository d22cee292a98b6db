// FileDescriptor: an open file of the operating system, closed with its owner.

#ifndef LIBMINILLM_CORE_FILE_DESCRIPTOR_H_
#define LIBMINILLM_CORE_FILE_DESCRIPTOR_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace minillm {

// Throws SystemError with errno: `<kind> '<path>': cannot <action>: <errno's text>`.
[[noreturn]] void throw_system_error(const char* kind, const std::string& path, const char* action);

class FileDescriptor {
 public:
  // Each throws Error, naming what is there instead of what is wanted.
  static FileDescriptor to_read(const std::string& path);         // a file; links are followed
  static FileDescriptor to_read_stream(const std::string& path);  // or a pipe, a device
  static FileDescriptor to_create(const std::string& path);       // must not exist
  // To append to, or to read and write, a file of this run alone, created if there is none: no link
  // is followed, and a file that has another name, too, is refused.
  static FileDescriptor to_append(const std::string& path);
  static FileDescriptor to_lock(const std::string& path);
  static FileDescriptor to_write_device(const std::string& path);  // a device or a pipe
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;

  int get() const { return descriptor_; }
  const std::string& path() const { return path_; }
  int release() { return std::exchange(descriptor_, -1); }  // the caller closes it
  size_t size() const;

  size_t read(char* to, size_t size);  // how many bytes there were, up to `size`; 0 at the end
  // All of it. Throws Error if that is more than `max_bytes`.
  std::string read_to_end(size_t max_bytes);
  void set_mode(unsigned mode);
  size_t write(std::string_view bytes);  // how many were written, at least one
  void write_all(std::string_view bytes);
  void truncate();
  // To the disk itself. A failure is final: everything has to be written again, to another file.
  void sync();
  void close();  // reports errors, which the destructor cannot

 private:
  FileDescriptor(std::string path, int descriptor);
  static FileDescriptor of_this_run(FileDescriptor file);

  std::string path_;
  int descriptor_ = -1;
};

// Makes the entries of a directory (files created, renamed or removed in it) durable.
void sync_directory(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_FILE_DESCRIPTOR_H_
