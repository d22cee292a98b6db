#include "libminillm/core/file.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"

namespace minillm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";  // then process id, "-", number

// A name beside `path` that no other writer uses, in this process or another.
std::string temporary_name(const std::string& path) {
  static std::atomic<int> count{0};
  return fmt::format("{}{}{}-{}", path, kTemporaryMark, getpid(), count++);
}

std::string parent_directory(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void rename_path(const char* kind, const std::string& from, const std::string& to) {
  if (file_calls::rename(from, to) != 0) throw_system_error(kind, to, "rename to");
}

// For destructors, which must not throw: leftovers are removed when the run's lock is next taken.
void remove_quietly(const std::string& path) noexcept {
  try {
    remove_all(path);
  } catch (const Error&) {
  }
}

// Trailing slashes would make a path its own parent.
std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void throw_if(const std::error_code& error, const char* kind, const std::string& path,
              const char* action) {
  MINILLM_CHECK(!error, "{} '{}': cannot {}: {}", kind, path, action, error.message());
}

}  // namespace

std::string read_file(const std::string& path) {
  return FileDescriptor::to_read(path).read_to_end();
}

FileTransaction::FileTransaction(std::string path)
    : path_(std::move(path)),
      temporary_(temporary_name(path_)),
      file_(FileDescriptor::to_replace(temporary_)) {}

FileTransaction::~FileTransaction() {
  if (!renamed_) remove_quietly(temporary_);
}

void FileTransaction::commit() {
  file_.sync();
  file_.close();
  rename_path("file", temporary_, path_);
  renamed_ = true;
  sync_directory(parent_directory(path_));
}

void write_file_atomic(const std::string& path, std::string_view content) {
  write_file_atomic(path, std::span(&content, 1));
}

void write_file_atomic(const std::string& path, std::span<const std::string_view> pieces) {
  MINILLM_CHECK(!is_directory(path), "file '{}': cannot write: it is a directory", path);
  FileTransaction file(path);
  for (std::string_view piece : pieces) file.write(piece);
  file.commit();
}

void rename_durable(const std::string& from, const std::string& to) {
  rename_path("file", from, to);
  sync_directory(parent_directory(to));
}

void create_directories(const std::string& path) {
  if (is_directory(path)) return;
  const std::string directory = without_trailing_slashes(path);
  const std::string parent = parent_directory(directory);
  if (parent != directory) create_directories(parent);
  // Another process may have been faster.
  if (file_calls::make_directory(directory) != 0 && !(errno == EEXIST && is_directory(directory)))
    throw_system_error("directory", directory, "create");
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

bool is_regular_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
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

std::optional<uint64_t> free_disk_bytes(const std::string& path) {
  std::string existing = path;
  while (!file_exists(existing) && existing != parent_directory(existing))
    existing = parent_directory(existing);
  std::error_code error;
  const fs::space_info space = fs::space(existing, error);
  if (error) return std::nullopt;
  return space.available;
}

void remove_all(const std::string& path) {
  const auto done = [](int result) { return result == 0 || errno == ENOENT; };
  std::error_code ignored;
  if (fs::symlink_status(path, ignored).type() != fs::file_type::directory) {
    if (!done(file_calls::unlink(path))) throw_system_error("file", path, "remove");
    return;
  }
  for (const std::string& name : list_directory(path)) remove_all(join_path(path, name));
  if (!done(file_calls::remove_directory(path))) throw_system_error("directory", path, "remove");
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
  if (!renamed_) remove_quietly(temporary_);
}

void DirectoryTransaction::write(const std::string& name, std::string_view content) {
  write(name, std::span(&content, 1));
}

void DirectoryTransaction::write(const std::string& name,
                                 std::span<const std::string_view> pieces) {
  FileDescriptor file = FileDescriptor::to_replace(join_path(temporary_, name));
  for (std::string_view piece : pieces) file.write_all(piece);
  file.sync();
  file.close();
}

void DirectoryTransaction::commit() {
  sync_directory(temporary_);
  // rename(2) would replace an empty directory silently.
  MINILLM_CHECK(!file_exists(final_),
                "directory '{}': already exists (remove it, or choose another name)", final_);
  rename_path("directory", temporary_, final_);
  renamed_ = true;
  sync_directory(parent_directory(final_));
}

}  // namespace minillm
