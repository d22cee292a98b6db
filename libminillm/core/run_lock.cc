#include "libminillm/core/run_lock.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"
#include "libminillm/core/file_descriptor.h"

namespace minillm {
namespace {

// " 1234" from the lock file's text, or nothing if the owner has not written it yet.
std::string owner_of(FileDescriptor& file) {
  std::string pid = file.read_to_end(/*max_bytes=*/64);
  while (!pid.empty() && std::isdigit(static_cast<unsigned char>(pid.back())) == 0) pid.pop_back();
  return pid.empty() ? pid : " " + pid;
}

}  // namespace

RunLock::RunLock(const std::string& run_directory) : path_(run_directory + "/.lock") {
  FileDescriptor file = FileDescriptor::to_lock(path_);
  if (file_calls::lock(file.get(), path_) != 0) {
    if (errno != EWOULDBLOCK) throw_system_error("file", path_, "lock");
    throw Error(
        fmt::format("run directory '{}': another process{} is writing to it (wait for it to "
                    "finish, or choose another directory)",
                    run_directory, owner_of(file)),
        ExitCode::kLocked);
  }
  file.truncate();
  file.write_all(std::to_string(getpid()) + "\n");
  descriptor_ = file.release();
}

void RunLock::expect_held() const {
  struct stat locked, named;
  const bool same = fstat(descriptor_, &locked) == 0 && lstat(path_.c_str(), &named) == 0 &&
                    locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
  MINILLM_CHECK(
      same,
      "file '{}': not the one that this process has locked: the run directory was moved, "
      "replaced or unlocked while it was written to (nothing more is written; options.resume "
      "goes on from its last checkpoint)",
      path_);
}

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace minillm
