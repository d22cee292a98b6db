// ScratchDirectory: a place for files that nobody keeps.

#ifndef LIBMINILLM_CORE_SCRATCH_DIRECTORY_H_
#define LIBMINILLM_CORE_SCRATCH_DIRECTORY_H_

#include <string>

namespace minillm {

// A new directory in the system's temporary directory (TMPDIR), for its owner's eyes only. It is
// removed, with all that is in it, when this is destroyed.
class ScratchDirectory {
 public:
  ScratchDirectory();  // throws Error
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_SCRATCH_DIRECTORY_H_
