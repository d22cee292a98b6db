#include "libminillm/data/byte_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/data/byte_source.h"

namespace minillm {
namespace {

constexpr std::string_view kGzip = "\x1f\x8b", kZstd = "\x28\xb5\x2f\xfd";

// A file whose first bytes were looked at already.
class FileBytes : public ByteSource {
 public:
  explicit FileBytes(const std::string& path) : file_(FileDescriptor::to_read(path)) {
    head_size_ = file_.read(head_.data(), head_.size());
  }
  std::string_view head() const { return {head_.data(), head_size_}; }

  size_t read(char* to, size_t size) override {
    if (head_taken_ == head_size_) return file_.read(to, size);
    const size_t count = std::min(size, head_size_ - head_taken_);
    std::memcpy(to, head_.data() + head_taken_, count);
    head_taken_ += count;
    return count;
  }

 private:
  FileDescriptor file_;
  std::array<char, kFileKindBytes> head_;
  size_t head_size_ = 0, head_taken_ = 0;
};

}  // namespace

void expect_data_file(const std::string& path) {
  MINILLM_CHECK(!file_exists(path) || is_directory(path) || is_regular_file(path),
                "'{}': expected a file, got a pipe or a device: data is read more than once (write "
                "it to a file first)",
                path);
}

ByteStream::ByteStream(const std::string& path) : path_(path) {
  expect_data_file(path);
  auto file = std::make_unique<FileBytes>(path);
  const std::string head(file->head());
  source_ = std::move(file);
  if (std::unique_ptr<ByteSource> unpacked =
          head.starts_with(kGzip)   ? unpack_gzip(std::move(source_), path_.c_str())
          : head.starts_with(kZstd) ? unpack_zstd(std::move(source_), path_.c_str())
                                    : nullptr) {
    source_ = std::move(unpacked);
    packing_ = head.starts_with(kGzip) ? "gzip" : "zstd";
    return;  // what it holds is looked at by those who read it
  }
  expect_not_foreign(path, head, "text, JSON or CSV");
}

ByteStream::~ByteStream() = default;
ByteStream::ByteStream(ByteStream&&) noexcept = default;

size_t ByteStream::read(char* to, size_t size) { return source_->read(to, size); }

size_t ByteStream::read_fully(char* to, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    const size_t count = read(to + filled, size - filled);
    if (count == 0) break;
    filled += count;
  }
  return filled;
}

}  // namespace minillm
