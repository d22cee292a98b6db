// Unpacks gzip files, by zlib.
#include "libminillm/data/byte_source.h"

#ifdef MINILLM_WITH_ZLIB
#include <zlib.h>

#include <array>
#include <string>

#include "libminillm/core/check.h"
#endif

namespace minillm {

#ifdef MINILLM_WITH_ZLIB
namespace {

// One gzip member after another, as `cat a.gz b.gz` and bgzip write them.
class Gzip : public ByteSource {
 public:
  Gzip(std::unique_ptr<ByteSource> packed, const char* path)
      : packed_(std::move(packed)), path_(path) {
    constexpr int kGzipFormat = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipFormat) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  size_t read(char* to, size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min(size, size_t{1} << 30));
    const uInt asked = stream_.avail_out;
    while (stream_.avail_out == asked) {
      if (stream_.avail_in == 0 && !refill()) {
        MINILLM_CHECK(!inside_, "'{}': the gzip data is cut off after {} bytes", path_, consumed_);
        return 0;
      }
      if (!inside_ && padding()) continue;
      inside_ = true;
      const uInt before = stream_.avail_in;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      consumed_ += before - stream_.avail_in;
      MINILLM_CHECK(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR,
                    "'{}': the gzip data is damaged near byte {}: {}", path_, consumed_,
                    stream_.msg != nullptr ? stream_.msg : "unknown error");
      if (status == Z_STREAM_END) {
        inside_ = false;
        inflateReset(&stream_);
      }
    }
    return asked - stream_.avail_out;
  }

 private:
  bool refill() {
    stream_.avail_in = static_cast<uInt>(packed_->read(input_.data(), input_.size()));
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    return stream_.avail_in > 0;
  }
  // Zero bytes between and after members, which tapes and block devices leave.
  bool padding() {
    const bool found = *stream_.next_in == 0;
    while (stream_.avail_in > 0 && *stream_.next_in == 0)
      ++stream_.next_in, --stream_.avail_in, ++consumed_;
    return found;
  }

  std::unique_ptr<ByteSource> packed_;
  std::string path_;
  z_stream stream_ = {};
  std::array<char, 1 << 16> input_;
  uint64_t consumed_ = 0;  // of the packed bytes
  bool inside_ = true;     // of a member
};

}  // namespace

std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed, const char* path) {
  return std::make_unique<Gzip>(std::move(packed), path);
}
#else
std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource>, const char*) {
  return nullptr;
}
#endif

}  // namespace minillm
