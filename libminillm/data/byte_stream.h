// ByteStream: the bytes of a data file in order, unpacked if it is gzip- or zstd-compressed.
// Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_BYTE_STREAM_H_
#define LIBMINILLM_DATA_BYTE_STREAM_H_

#include <memory>
#include <string>

namespace minillm {

class ByteSource;  // data/byte_source.h

// Throws Error if `path` is a pipe or a device: data is read more than once, and opening a pipe
// waits for a writer.
void expect_data_file(const std::string& path);

class ByteStream {
 public:
  // Whether a file is compressed is told by its first bytes. Throws Error if `path` is missing, a
  // directory, a pipe, compressed in a way that this build cannot unpack, or not text at all
  // (core/file_kind.h).
  explicit ByteStream(const std::string& path);
  ~ByteStream();
  ByteStream(ByteStream&&) noexcept;

  // How many bytes there were, up to `size`; 0 at the end. Throws Error if reading fails, or the
  // compressed data is damaged or cut off.
  size_t read(char* to, size_t size);
  // The same until `size` bytes are there or the end is reached.
  size_t read_fully(char* to, size_t size);

  const std::string& path() const { return path_; }
  const char* packing() const { return packing_; }  // "gzip", "zstd" or ""

 private:
  std::string path_;
  const char* packing_ = "";
  std::unique_ptr<ByteSource> source_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_BYTE_STREAM_H_
