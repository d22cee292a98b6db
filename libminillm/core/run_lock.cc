#include "libminillm/core/run_lock.h"

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
  std::string pid = file.read_to_end();
  while (!pid.empty() && std::isdigit(static_cast<unsigned char>(pid.back())) == 0) pid.pop_back();
  return pid.empty() ? pid : " " + pid;
}

}  // namespace

RunLock::RunLock(const std::string& run_directory) {
  const std::string path = run_directory + "/.lock";
  FileDescriptor file = FileDescriptor::to_lock(path);
  if (file_calls::lock(file.get(), path) != 0) {
    if (errno != EWOULDBLOCK) throw_system_error("file", path, "lock");
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

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace minillm
