// ByteSource: where the bytes of a ByteStream come from: a file, or an unpacker on top of one. The
// unpackers are built where their libraries are (MINILLM_WITH_ZLIB, MINILLM_WITH_ZSTD). Internal.

#ifndef LIBMINILLM_DATA_BYTE_SOURCE_H_
#define LIBMINILLM_DATA_BYTE_SOURCE_H_

#include <cstddef>
#include <memory>

namespace minillm {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual size_t read(char* to, size_t size) = 0;  // 0 at the end; throws Error
};

// What unpacks the bytes of `packed`, a file named `path`; null where it is not built.
std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed, const char* path);
std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource> packed, const char* path);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_BYTE_SOURCE_H_
