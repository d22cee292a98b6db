#include "libminillm/core/scratch_directory.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {

ScratchDirectory::ScratchDirectory() {
  std::error_code error;
  path_ = join_path(std::filesystem::temp_directory_path(error).string(), "minillm-XXXXXX");
  if (!error && mkdtemp(path_.data()) == nullptr) error.assign(errno, std::generic_category());
  if (error)
    throw SystemError(
        fmt::format("temporary directory: cannot create one: {} (set TMPDIR to a directory that "
                    "can be written)",
                    error.message()),
        error.value());
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace minillm
