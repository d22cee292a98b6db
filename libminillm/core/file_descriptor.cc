#include "libminillm/core/file_descriptor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"

namespace minillm {

using file_calls::Opening;

namespace {

const char* kind_of(mode_t mode) {
  return S_ISFIFO(mode)   ? "a pipe"
         : S_ISSOCK(mode) ? "a socket"
         : S_ISDIR(mode)  ? "a directory"
                          : "a device";
}

struct stat status_of(const FileDescriptor& file) {
  struct stat status;
  if (fstat(file.get(), &status) != 0) throw_system_error("file", file.path(), "inspect");
  return status;
}

}  // namespace

void throw_system_error(const char* kind, const std::string& path, const char* action) {
  const int code = errno;
  throw SystemError(fmt::format("{} '{}': cannot {}: {}", kind, path, action,
                                std::generic_category().message(code)),
                    code);
}

FileDescriptor::FileDescriptor(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {
  if (descriptor_ == -1) throw_system_error("file", path_, "open");
}

FileDescriptor FileDescriptor::to_read(const std::string& path) {
  FileDescriptor file(path, file_calls::open_to_read(path, /*wait=*/false));
  const mode_t mode = status_of(file).st_mode;
  MINILLM_CHECK(!S_ISDIR(mode), "file '{}': cannot read: it is a directory", path);
  MINILLM_CHECK(S_ISREG(mode), "file '{}': cannot read: expected a file, got {}", path,
                kind_of(mode));
  return file;
}

FileDescriptor FileDescriptor::to_read_stream(const std::string& path) {
  FileDescriptor file(path, file_calls::open_to_read(path, /*wait=*/true));
  MINILLM_CHECK(!S_ISDIR(status_of(file).st_mode), "file '{}': cannot read: it is a directory",
                path);
  return file;
}

FileDescriptor FileDescriptor::to_create(const std::string& path) {
  return {path, file_calls::open_to_write(path, Opening::kNew)};
}

// Whoever writes through a link changes a file that may be anybody's.
FileDescriptor FileDescriptor::of_this_run(FileDescriptor file) {
  const struct stat status = status_of(file);
  MINILLM_CHECK(S_ISREG(status.st_mode), "file '{}': cannot write: expected a file, got {}",
                file.path(), kind_of(status.st_mode));
  MINILLM_CHECK(status.st_nlink == 1,
                "file '{}': cannot write: it has another name, too (a hard link): remove it",
                file.path());
  return file;
}

FileDescriptor FileDescriptor::to_append(const std::string& path) {
  return of_this_run({path, file_calls::open_to_write(path, Opening::kAppend)});
}

FileDescriptor FileDescriptor::to_lock(const std::string& path) {
  return of_this_run({path, file_calls::open_to_write(path, Opening::kAsItIs)});
}

FileDescriptor FileDescriptor::to_write_device(const std::string& path) {
  return {path, file_calls::open_to_write(path, Opening::kDevice)};
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ != -1) ::close(descriptor_);
}

size_t FileDescriptor::size() const { return static_cast<size_t>(status_of(*this).st_size); }

void FileDescriptor::set_mode(unsigned mode) {
  if (file_calls::set_mode(descriptor_, path_, mode) != 0)
    throw_system_error("file", path_, "set the mode of");
}

size_t FileDescriptor::read(char* to, size_t size) {
  const ssize_t count = file_calls::read(descriptor_, path_, to, size);
  if (count == -1) throw_system_error("file", path_, "read");
  return static_cast<size_t>(count);
}

std::string FileDescriptor::read_to_end(size_t max_bytes) {
  const auto expect_length = [&](size_t length) {
    MINILLM_CHECK(length <= max_bytes, "file '{}': too long: expected at most {} bytes{}", path_,
                  max_bytes, length == size() ? fmt::format(", got {}", length) : "");
  };
  expect_length(size());
  std::string content(size() + 1, '\0');  // one more, so that the end is seen without growing
  size_t filled = 0;
  while (const size_t count = read(content.data() + filled, content.size() - filled)) {
    filled += count;
    expect_length(filled);
    if (filled == content.size()) content.resize(2 * filled);
  }
  content.resize(filled);
  return content;
}

size_t FileDescriptor::write(std::string_view bytes) {
  const ssize_t count = file_calls::write(descriptor_, path_, bytes);
  if (count == -1) throw_system_error("file", path_, "write");
  return static_cast<size_t>(count);
}

void FileDescriptor::write_all(std::string_view bytes) {
  while (!bytes.empty()) bytes.remove_prefix(write(bytes));
}

void FileDescriptor::truncate() {
  if (file_calls::truncate(descriptor_, path_) != 0) throw_system_error("file", path_, "truncate");
}

void FileDescriptor::sync() {
  if (file_calls::sync(descriptor_, path_) != 0) throw_system_error("file", path_, "sync");
}

void FileDescriptor::close() {
  if (file_calls::close(std::exchange(descriptor_, -1), path_) != 0)
    throw_system_error("file", path_, "close");
}

void sync_directory(const std::string& path) {
  if (file_calls::sync_directory(path) != 0) throw_system_error("directory", path, "sync");
}

}  // namespace minillm
