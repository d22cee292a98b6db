#include "libminillm/core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>

#include "libminillm/core/check.h"
#include "libminillm/core/file_descriptor.h"

namespace minillm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";  // then process id, "-", number

// A name beside `path` that no other writer uses: not another process, nor another thread of this
// one.
std::string temporary_name(const std::string& path) {
  static std::atomic<int> count{0};
  return fmt::format("{}{}{}-{}", path, kTemporaryMark, getpid(), count++);
}

std::string parent_directory(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Trailing slashes would make a path its own parent.
std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void write_and_sync(const std::string& path, std::span<const std::string_view> pieces) {
  FileDescriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  for (std::string_view piece : pieces) file.write_all(piece);
  file.sync();
  file.close();
}

void throw_if(const std::error_code& error, const char* kind, const std::string& path,
              const char* action) {
  MINILLM_CHECK(!error, "{} '{}': cannot {}: {}", kind, path, action, error.message());
}

}  // namespace

std::string read_file(const std::string& path) { return open_to_read(path).read_to_end(); }

void write_file_atomic(const std::string& path, std::string_view content) {
  write_file_atomic(path, std::span(&content, 1));
}

void write_file_atomic(const std::string& path, std::span<const std::string_view> pieces) {
  MINILLM_CHECK(!is_directory(path), "file '{}': cannot write: it is a directory", path);
  const std::string temporary = temporary_name(path);
  try {
    write_and_sync(temporary, pieces);
    rename_durable(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());  // gone already if only the last fsync failed
    throw;
  }
}

void rename_durable(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) throw_system_error("file", to, "rename to");
  sync_directory(parent_directory(to));
}

void create_directories(const std::string& path) {
  if (is_directory(path)) return;
  const std::string directory = without_trailing_slashes(path);
  const std::string parent = parent_directory(directory);
  if (parent != directory) create_directories(parent);
  std::error_code error;
  fs::create_directory(directory, error);
  throw_if(error, "directory", directory, "create");
  sync_directory(parent);
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

uint64_t file_size(const std::string& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  throw_if(error, "file", path, "inspect");
  return size;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  throw_if(error, "directory", path, "read");
  std::sort(names.begin(), names.end());
  return names;
}

void remove_all(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  throw_if(error, "file", path, "remove");
}

std::string join_path(std::string_view directory, std::string_view name) {
  return (fs::path(directory) / name).string();
}

bool is_temporary_name(std::string_view name) {
  const size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return false;
  const std::string_view numbers = name.substr(mark + kTemporaryMark.size());
  return numbers.find('-') != std::string_view::npos &&
         numbers.find_first_not_of("0123456789-") == std::string_view::npos;
}

DirectoryTransaction::DirectoryTransaction(std::string final_path)
    : final_(without_trailing_slashes(std::move(final_path))), temporary_(temporary_name(final_)) {
  remove_all(temporary_);  // left by a crashed process that had our id
  create_directories(temporary_);
}

DirectoryTransaction::~DirectoryTransaction() {
  if (renamed_) return;
  std::error_code ignored;  // a destructor must not throw; a leftover is removed with the next lock
  fs::remove_all(temporary_, ignored);
}

void DirectoryTransaction::write(const std::string& name, std::string_view content) {
  write(name, std::span(&content, 1));
}

void DirectoryTransaction::write(const std::string& name,
                                 std::span<const std::string_view> pieces) {
  write_and_sync(join_path(temporary_, name), pieces);
}

void DirectoryTransaction::commit() {
  sync_directory(temporary_);
  // rename(2) would replace an empty directory silently.
  MINILLM_CHECK(!file_exists(final_),
                "directory '{}': already exists (remove it, or choose another name)", final_);
  if (std::rename(temporary_.c_str(), final_.c_str()) != 0) {
    throw_system_error("directory", final_, "rename to");
  }
  renamed_ = true;
  sync_directory(parent_directory(final_));
}

}  // namespace minillm
