#include "libminillm/core/file_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace

void throw_system_error(const char* kind, const std::string& path, const char* action) {
  const int code = errno;
  throw Error(fmt::format("{} '{}': cannot {}: {}", kind, path, action,
                          std::generic_category().message(code)));
}

FileDescriptor::FileDescriptor(const std::string& path, int flags)
    : path_(path),
      descriptor_(retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); })) {
  if (descriptor_ == -1) throw_system_error("file", path, "open");
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ != -1) ::close(descriptor_);
}

size_t FileDescriptor::size() const {
  struct stat status;
  if (fstat(descriptor_, &status) != 0) throw_system_error("file", path_, "inspect");
  return static_cast<size_t>(status.st_size);
}

std::string FileDescriptor::read_to_end() {
  std::string content(size() + 1, '\0');  // one more, so that the end is seen without growing
  size_t filled = 0;
  for (;;) {
    const ssize_t count = retry(
        [&] { return ::read(descriptor_, content.data() + filled, content.size() - filled); });
    if (count == -1) throw_system_error("file", path_, "read");
    if (count == 0) break;
    filled += static_cast<size_t>(count);
    if (filled == content.size()) content.resize(2 * filled);
  }
  content.resize(filled);
  return content;
}

void FileDescriptor::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = retry([&] { return ::write(descriptor_, bytes.data(), bytes.size()); });
    if (count == -1) throw_system_error("file", path_, "write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void FileDescriptor::sync() {
  if (retry([&] { return ::fsync(descriptor_); }) != 0) throw_system_error("file", path_, "sync");
}

void FileDescriptor::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) throw_system_error("file", path_, "close");
}

FileDescriptor open_to_read(const std::string& path) {
  FileDescriptor file(path, O_RDONLY);
  struct stat status;
  if (fstat(file.get(), &status) != 0) throw_system_error("file", path, "inspect");
  MINILLM_CHECK(!S_ISDIR(status.st_mode), "file '{}': cannot read: it is a directory", path);
  return file;
}

void sync_directory(const std::string& path) {
  const FileDescriptor directory(path, O_RDONLY | O_DIRECTORY);
  // EINVAL: the file system (some network ones) has no such operation, and nothing better exists.
  if (retry([&] { return ::fsync(directory.get()); }) != 0 && errno != EINVAL) {
    throw_system_error("directory", path, "sync");
  }
}

}  // namespace minillm
