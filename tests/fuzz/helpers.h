// What the fuzz targets share.

#ifndef TESTS_FUZZ_HELPERS_H_
#define TESTS_FUZZ_HELPERS_H_

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "libminillm/core/error.h"
#include "libminillm/data/bad_record.h"

namespace minillm_testing {

inline void require(bool fact) {
  if (!fact) std::abort();
}

// Runs `body`; refusing its input by Error or BadRecord is fine.
template <typename Body>
bool accepted(Body&& body) {
  try {
    body();
    return true;
  } catch (const minillm::Error& error) {
    require(*error.what() != '\0');
  } catch (const minillm::BadRecord&) {
  }
  return false;
}

// A directory of this process, in memory where there is such a place.
inline const std::string& fuzz_directory() {
  struct Directory {
    std::string path;
    Directory() {
      const bool has_shm = std::filesystem::is_directory("/dev/shm");
      std::string pattern = std::string(has_shm ? "/dev/shm" : "/tmp") + "/minillm-fuzz-XXXXXX";
      path = mkdtemp(pattern.data());
    }
    ~Directory() { std::filesystem::remove_all(path); }
  };
  static const Directory kDirectory;
  return kDirectory.path;
}

// The input as a file of that directory: its path.
inline std::string fuzz_file(const std::string& name, std::string_view bytes) {
  const std::string path = fuzz_directory() + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// A file in memory that holds the input, for what is read by path.
inline std::string input_file(std::string_view bytes) {
  static const int descriptor = memfd_create("input", 0);
  require(ftruncate(descriptor, 0) == 0);
  require(pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return "/proc/self/fd/" + std::to_string(descriptor);
}

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_HELPERS_H_
