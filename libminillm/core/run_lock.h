// RunLock: only one process writes to a run directory.

#ifndef LIBMINILLM_CORE_RUN_LOCK_H_
#define LIBMINILLM_CORE_RUN_LOCK_H_

#include <string>

namespace minillm {

// Holds `<run_directory>/.lock` (flock, so a crash frees it too) for as long as it lives. The file
// holds the owner's process id. Throws Error with ExitCode::kLocked, naming that process, if
// another one has the lock; Error if `.lock` is a link.
class RunLock {
 public:
  explicit RunLock(const std::string& run_directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // Throws Error unless the directory and the file in it are still those that were locked: one that
  // was moved, replaced or unlocked may have another writer.
  void expect_held() const;

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_RUN_LOCK_H_
