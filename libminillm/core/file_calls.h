// All of the library's system calls on files, each passing a hook where tests may make it fail, cut
// it short, record it, or end the process. Internal: everything else uses core/file.h.
//
// Each function is the system's of that name (-1 and errno on failure), repeated when a signal
// interrupts it. Questions (stat, readdir, statvfs) change nothing and go without.

#ifndef LIBMINILLM_CORE_FILE_CALLS_H_
#define LIBMINILLM_CORE_FILE_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace minillm {

enum class FileOperation {
  kOpenToRead,
  kRead,
  kMap,
  kLock,
  // From here on the file system is changed, or made to keep a change.
  kOpenToWrite,  // creates the file if there is none
  kWrite,
  kTruncate,
  kSync,
  kClose,  // of a file that was written
  kRename,
  kUnlink,
  kMakeDirectory,
  kSetMode,
  kRemoveDirectory,
  kSyncDirectory,
};

// A call about to be made.
struct FileCall {
  FileOperation operation;
  const std::string& path;
  std::string_view argument = {};  // kWrite: the bytes; kRename: the new path
};
struct FileVerdict {
  int error = 0;                   // the call fails with this errno, and does nothing
  size_t most_bytes = size_t(-1);  // kWrite: at most this many are written
};
using FileHook = std::function<FileVerdict(const FileCall&)>;

// From now on `hook` is asked before every call, by whatever thread makes it; an empty one ends
// that. For tests alone; not while another thread uses files.
void set_file_hook(FileHook hook);

namespace file_calls {

// Never waits for a pipe's writer, unless `wait`.
int open_to_read(const std::string& path, bool wait);
enum class Opening {
  kNew,     // which must not exist
  kAppend,  // created if there is none; no link is followed
  kAsItIs,  // the same
  kDevice,  // which exists: a device or a pipe; nothing is emptied
};
int open_to_write(const std::string& path, Opening how);  // mode 0666 if created
ssize_t read(int descriptor, const std::string& path, void* to, size_t size);
ssize_t write(int descriptor, const std::string& path, std::string_view bytes);
int truncate(int descriptor, const std::string& path);  // to nothing
int sync(int descriptor, const std::string& path);
// Never repeated: an interrupted close has closed the file.
int close(int descriptor, const std::string& path);
int lock(int descriptor, const std::string& path);  // exclusive; EWOULDBLOCK if another has it
void* map(int descriptor, const std::string& path, size_t size);
int rename(const std::string& from, const std::string& to);
int unlink(const std::string& path);
int make_directory(const std::string& path);
int set_mode(int descriptor, const std::string& path, mode_t mode);
int remove_directory(const std::string& path);
int sync_directory(const std::string& path);  // 0 also where the file system cannot

}  // namespace file_calls
}  // namespace minillm

#endif  // LIBMINILLM_CORE_FILE_CALLS_H_
