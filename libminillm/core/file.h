// Files: whole reads, atomic replacement, directories that appear all at once.
//
// Every write of the library goes through here, so that nothing is ever half-written: whoever reads
// a path sees the old content or the new, even after a crash. The other file tools (sha256, memory
// maps, the run lock) come with this header.

#ifndef LIBMINILLM_CORE_FILE_H_
#define LIBMINILLM_CORE_FILE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/file_descriptor.h"
#include "libminillm/core/mapped_file.h"  // MappedFile
#include "libminillm/core/run_lock.h"     // RunLock
#include "libminillm/core/sha256.h"       // Sha256, sha256, sha256_file

namespace minillm {

// The whole file. Throws Error naming the path and the reason (missing, no file but a directory, a
// pipe or a device, unreadable), and, before it is read, if it is longer than `max_bytes`.
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);
// The same of a file that may be a pipe, as a shell makes them, or /dev/stdin.
std::string read_stream(const std::string& path, uint64_t max_bytes);

// Replaces `path` in one step: writes a temporary file beside it, fsyncs, renames over `path`,
// fsyncs the directory. On any error (disk full, read-only, ...) the old file is untouched, the
// temporary one is removed, and Error names the path and errno's text.
void write_file_atomic(const std::string& path, std::string_view content);
// The same for several pieces in a row (a header and a large payload, without copying them).
void write_file_atomic(const std::string& path, std::span<const std::string_view> pieces);

// Writes what a user asked for. A file is replaced like that and keeps its mode, a link to one
// stays; a device or a pipe is written to.
void write_output(const std::string& path, std::string_view content);

// Renames in one step (a file replaces the file `to`), then makes it durable. Throws Error.
void rename_durable(const std::string& from, const std::string& to);

// Creates `path` and its parents, durably; no error if it exists. Throws Error.
void create_directories(const std::string& path);
bool file_exists(const std::string& path);  // also true for a directory
bool is_directory(const std::string& path);
bool is_regular_file(const std::string& path);  // also through links; not a pipe or a device
uint64_t file_size(const std::string& path);    // throws Error
// Bytes that this process may still write to the file system of `path`, which need not exist yet;
// nothing where the system does not say.
std::optional<uint64_t> free_disk_bytes(const std::string& path);
// Names (not paths) of the entries of a directory, sorted. Throws Error.
std::vector<std::string> list_directory(const std::string& path);
// Removes a file or a whole directory; no error if there is none. Throws Error.
void remove_all(const std::string& path);
// "runs/a" + "b" = "runs/a/b".
std::string join_path(std::string_view directory, std::string_view name);

// Of a name that this library gives to a temporary file or directory, as "LATEST.tmp-12-<16 hex
// digits>", what it was to become: "LATEST"; else "". Left over from a crash, unless its writer is
// still alive.
std::string_view temporary_of(std::string_view name);
// Whether a directory of such a name was written by a DirectoryTransaction: it holds its mark, or
// nothing at all.
bool is_unfinished_transaction(const std::string& path);

// A file that appears all at once, when it is complete. Destroyed uncommitted, it removes itself.
class FileTransaction {
 public:
  enum class Of {
    kOwn,   // a file of the library's own: whatever has the name is replaced
    kUser,  // as write_output() has it
  };
  // Creates "<path>.tmp-<pid>-<random>". Throws Error.
  explicit FileTransaction(std::string path, Of whose = Of::kOwn);
  ~FileTransaction();
  FileTransaction(const FileTransaction&) = delete;
  FileTransaction& operator=(const FileTransaction&) = delete;

  void write(std::string_view bytes) { file_.write_all(bytes); }
  // fsyncs, renames over `path`, fsyncs the directory. Throws Error.
  void commit();

 private:
  std::string path_;
  std::string temporary_;  // empty for a device
  FileDescriptor file_;
  bool renamed_ = false;
};

// A directory that appears all at once. Fill it with write(), then commit(): every file and the
// directory are fsynced, it is renamed to its final name, and the parent is fsynced. Destroyed
// uncommitted, it removes itself.
class DirectoryTransaction {
 public:
  // Creates "<final_path>.tmp-<pid>-<random>", and missing parents. Until commit() it holds a mark,
  // by which is_unfinished_transaction() knows it. Throws Error.
  explicit DirectoryTransaction(std::string final_path);
  ~DirectoryTransaction();
  DirectoryTransaction(const DirectoryTransaction&) = delete;
  DirectoryTransaction& operator=(const DirectoryTransaction&) = delete;

  const std::string& path() const { return temporary_; }
  // Writes one file into the directory and fsyncs it. Throws Error.
  void write(const std::string& name, std::span<const std::string_view> pieces);
  void write(const std::string& name, std::string_view content);
  // The same of what `fill` appends, piece by piece.
  using Append = std::function<void(std::string_view piece)>;
  void write_pieces(const std::string& name, const std::function<void(const Append&)>& fill);
  // Throws Error; also if the final name exists.
  void commit();

 private:
  std::string final_;
  std::string temporary_;
  bool renamed_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_FILE_H_
