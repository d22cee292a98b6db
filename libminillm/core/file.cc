#include "libminillm/core/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"

namespace minillm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";  // then process id, "-", random digits
constexpr size_t kRandomDigits = 16;
constexpr const char* kUnfinishedMark = ".minillm-unfinished";

// A name beside `path` that nobody else uses, and nobody can have prepared.
std::string temporary_name(const std::string& path) {
  std::random_device device;
  const uint64_t random = uint64_t{device()} << 32 | device();
  return fmt::format("{}{}{}-{:016x}", path, kTemporaryMark, getpid(), random);
}

void throw_if(const std::error_code& error, const char* kind, const std::string& path,
              const char* action) {
  MINILLM_CHECK(!error, "{} '{}': cannot {}: {}", kind, path, action, error.message());
}

// Where what is written to `path` has to go: through links, which stay.
std::string resolve_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as many as the system follows
  fs::path target = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(target, error)); ++i) {
    MINILLM_CHECK(i < kMostLinks, "file '{}': cannot follow: too many links", path);
    const fs::path next = fs::read_symlink(target, error);
    throw_if(error, "file", path, "follow");
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target.string();
}

bool is_device(const std::string& path) {
  return file_exists(path) && !is_regular_file(path) && !is_directory(path);
}

std::string parent_directory(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void rename_path(const char* kind, const std::string& from, const std::string& to) {
  if (file_calls::rename(from, to) != 0) throw_system_error(kind, to, "rename to");
}

// For destructors, which must not throw: leftovers are removed when the next run begins.
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

}  // namespace

std::string read_file(const std::string& path, uint64_t max_bytes) {
  return FileDescriptor::to_read(path).read_to_end(max_bytes);
}

std::string read_stream(const std::string& path, uint64_t max_bytes) {
  return FileDescriptor::to_read_stream(path).read_to_end(max_bytes);
}

FileTransaction::FileTransaction(std::string path, Of whose)
    : path_(whose == Of::kUser ? resolve_links(path) : std::move(path)),
      temporary_(whose == Of::kUser && is_device(path_) ? "" : temporary_name(path_)),
      file_(temporary_.empty() ? FileDescriptor::to_write_device(path_)
                               : FileDescriptor::to_create(temporary_)) {
  struct stat existing;
  if (whose == Of::kUser && !temporary_.empty() && stat(path_.c_str(), &existing) == 0 &&
      S_ISREG(existing.st_mode))
    file_.set_mode(existing.st_mode & 07777);
}

FileTransaction::~FileTransaction() {
  if (!renamed_ && !temporary_.empty()) remove_quietly(temporary_);
}

void FileTransaction::commit() {
  if (temporary_.empty()) {
    file_.close();
    return;
  }
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

void write_output(const std::string& path, std::string_view content) {
  MINILLM_CHECK(!is_directory(path), "file '{}': cannot write: it is a directory", path);
  FileTransaction file(path, FileTransaction::Of::kUser);
  file.write(content);
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
  // Backwards: what marks a directory as ours (.minillm-unfinished, MANIFEST.json) goes last,
  // and one that is half removed is still known.
  std::vector<std::string> names = list_directory(path);
  std::reverse(names.begin(), names.end());
  for (const std::string& name : names) remove_all(join_path(path, name));
  if (!done(file_calls::remove_directory(path))) throw_system_error("directory", path, "remove");
}

std::string join_path(std::string_view directory, std::string_view name) {
  return (fs::path(directory) / name).string();
}

std::string_view temporary_of(std::string_view name) {
  const size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return "";
  const std::string_view numbers = name.substr(mark + kTemporaryMark.size());
  const size_t dash = numbers.find('-');
  const auto consists_of = [](std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
  };
  const bool ours = dash != std::string_view::npos && numbers.size() - dash - 1 == kRandomDigits &&
                    consists_of(numbers.substr(0, dash), "0123456789") &&
                    consists_of(numbers.substr(dash + 1), "0123456789abcdef");
  return ours ? name.substr(0, mark) : "";
}

bool is_unfinished_transaction(const std::string& path) {
  std::error_code ignored;
  if (fs::symlink_status(path, ignored).type() != fs::file_type::directory) return false;
  return list_directory(path).empty() || file_exists(join_path(path, kUnfinishedMark));
}

DirectoryTransaction::DirectoryTransaction(std::string final_path)
    : final_(without_trailing_slashes(std::move(final_path))), temporary_(temporary_name(final_)) {
  create_directories(parent_directory(final_));
  if (file_calls::make_directory(temporary_) != 0)
    throw_system_error("directory", temporary_, "create");
  sync_directory(parent_directory(temporary_));
  FileDescriptor::to_create(join_path(temporary_, kUnfinishedMark)).close();
}

DirectoryTransaction::~DirectoryTransaction() {
  if (!renamed_) remove_quietly(temporary_);
}

void DirectoryTransaction::write(const std::string& name, std::string_view content) {
  write(name, std::span(&content, 1));
}

void DirectoryTransaction::write(const std::string& name,
                                 std::span<const std::string_view> pieces) {
  write_pieces(name, [&](const Append& append) {
    for (std::string_view piece : pieces) append(piece);
  });
}

void DirectoryTransaction::write_pieces(const std::string& name,
                                        const std::function<void(const Append&)>& fill) {
  FileDescriptor file = FileDescriptor::to_create(join_path(temporary_, name));
  fill([&](std::string_view piece) { file.write_all(piece); });
  file.sync();
  file.close();
}

void DirectoryTransaction::commit() {
  remove_all(join_path(temporary_, kUnfinishedMark));
  sync_directory(temporary_);
  // rename(2) would replace an empty directory silently.
  MINILLM_CHECK(!file_exists(final_),
                "directory '{}': already exists (remove it, or choose another name)", final_);
  rename_path("directory", temporary_, final_);
  renamed_ = true;
  sync_directory(parent_directory(final_));
}

}  // namespace minillm
