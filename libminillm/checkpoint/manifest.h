// MANIFEST.json: the size and the SHA-256 of every file of a checkpoint, written last. A directory
// whose manifest holds is a complete checkpoint; one without a manifest was not written by this
// library, or not completely.

#ifndef LIBMINILLM_CHECKPOINT_MANIFEST_H_
#define LIBMINILLM_CHECKPOINT_MANIFEST_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "libminillm/core/file.h"  // DirectoryTransaction

namespace minillm {

inline constexpr const char* kManifestName = "MANIFEST.json";
inline constexpr int64_t kCheckpointFormatVersion = 1;

struct ManifestEntry {
  uint64_t bytes = 0;
  std::string sha256;
};
using Manifest = std::map<std::string, ManifestEntry>;  // by file name

bool has_manifest(const std::string& directory);

// Reads the manifest of a directory and looks at name, type and size of every file it lists. Throws
// Error naming the file that is missing or differs in size, and for a format_version that this
// library does not know, or a manifest that is not, to the byte, as this library writes it.
Manifest read_manifest(const std::string& directory);
// Hashes the files of a manifest. Throws Error naming the one that differs.
void verify_hashes(const std::string& directory, const Manifest& manifest);

// A DirectoryTransaction that keeps the manifest and writes it last.
class ManifestedDirectory {
 public:
  explicit ManifestedDirectory(const std::string& final_path) : transaction_(final_path) {}
  void write(const std::string& name, std::span<const std::string_view> pieces);
  void write(const std::string& name, std::string_view content);
  void write_pieces(const std::string& name,
                    const std::function<void(const DirectoryTransaction::Append&)>& fill);
  void commit();

 private:
  DirectoryTransaction transaction_;
  Manifest manifest_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_MANIFEST_H_
