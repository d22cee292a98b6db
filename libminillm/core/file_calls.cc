#include "libminillm/core/file_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace minillm {
namespace {

FileHook g_hook;

// Asks the hook, makes the call, and does both again if a signal interrupted it.
template <typename Call>
auto make(const FileCall& call, Call&& system_call) -> decltype(system_call(FileVerdict())) {
  for (;;) {
    const FileVerdict verdict = g_hook ? g_hook(call) : FileVerdict();
    if (verdict.error != 0) {
      errno = verdict.error;
    } else if (const auto result = system_call(verdict); result != -1) {
      return result;
    }
    if (errno != EINTR) return -1;
  }
}

}  // namespace

void set_file_hook(FileHook hook) { g_hook = std::move(hook); }

namespace file_calls {

int open_to_read(const std::string& path, bool wait) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (wait ? 0 : O_NONBLOCK);
  return make({FileOperation::kOpenToRead, path},
              [&](auto) { return ::open(path.c_str(), flags); });
}

int open_to_write(const std::string& path, Opening how) {
  const int flags = how == Opening::kNew      ? O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
                    : how == Opening::kAppend ? O_WRONLY | O_CREAT | O_NOFOLLOW | O_APPEND
                    : how == Opening::kAsItIs ? O_RDWR | O_CREAT | O_NOFOLLOW
                                              : O_WRONLY;
  return make({FileOperation::kOpenToWrite, path},
              [&](auto) { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0666); });
}

ssize_t read(int descriptor, const std::string& path, void* to, size_t size) {
  return make({FileOperation::kRead, path}, [&](auto) { return ::read(descriptor, to, size); });
}

ssize_t write(int descriptor, const std::string& path, std::string_view bytes) {
  return make({FileOperation::kWrite, path, bytes}, [&](const FileVerdict& verdict) {
    return ::write(descriptor, bytes.data(), std::min(bytes.size(), verdict.most_bytes));
  });
}

int truncate(int descriptor, const std::string& path) {
  return make({FileOperation::kTruncate, path}, [&](auto) { return ::ftruncate(descriptor, 0); });
}

int sync(int descriptor, const std::string& path) {
  return make({FileOperation::kSync, path}, [&](auto) { return ::fsync(descriptor); });
}

int close(int descriptor, const std::string& path) {
  const FileVerdict verdict = g_hook ? g_hook({FileOperation::kClose, path}) : FileVerdict();
  const int result = ::close(descriptor);
  if (verdict.error != 0) errno = verdict.error;
  return (verdict.error == 0 && result == 0) || errno == EINTR ? 0 : -1;
}

int lock(int descriptor, const std::string& path) {
  return make({FileOperation::kLock, path},
              [&](auto) { return ::flock(descriptor, LOCK_EX | LOCK_NB); });
}

void* map(int descriptor, const std::string& path, size_t size) {
  const FileVerdict verdict = g_hook ? g_hook({FileOperation::kMap, path}) : FileVerdict();
  if (verdict.error == 0) return ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  errno = verdict.error;
  return MAP_FAILED;
}

int rename(const std::string& from, const std::string& to) {
  return make({FileOperation::kRename, from, to},
              [&](auto) { return std::rename(from.c_str(), to.c_str()); });
}

int unlink(const std::string& path) {
  return make({FileOperation::kUnlink, path}, [&](auto) { return ::unlink(path.c_str()); });
}

int make_directory(const std::string& path) {
  return make({FileOperation::kMakeDirectory, path},
              [&](auto) { return ::mkdir(path.c_str(), 0777); });
}

int set_mode(int descriptor, const std::string& path, mode_t mode) {
  return make({FileOperation::kSetMode, path}, [&](auto) { return ::fchmod(descriptor, mode); });
}

int remove_directory(const std::string& path) {
  return make({FileOperation::kRemoveDirectory, path}, [&](auto) { return ::rmdir(path.c_str()); });
}

int sync_directory(const std::string& path) {
  return make({FileOperation::kSyncDirectory, path}, [&](auto) {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1) return -1;
    // EINVAL: some network file systems have no such operation, and nothing better exists.
    const int result = ::fsync(directory) != 0 && errno != EINVAL ? -1 : 0;
    const int reason = errno;
    ::close(directory);
    errno = reason;
    return result;
  });
}

}  // namespace file_calls
}  // namespace minillm
