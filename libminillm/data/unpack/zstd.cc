// Unpacks zstd files, by libzstd.
#include "libminillm/data/byte_source.h"

#ifdef MINILLM_WITH_ZSTD
#include <zstd.h>

#include <array>
#include <string>

#include "libminillm/core/check.h"
#endif

namespace minillm {

#ifdef MINILLM_WITH_ZSTD
namespace {

// One zstd frame after another.
class Zstd : public ByteSource {
 public:
  Zstd(std::unique_ptr<ByteSource> packed, const char* path)
      : packed_(std::move(packed)), path_(path), context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
  }
  ~Zstd() override { ZSTD_freeDCtx(context_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  size_t read(char* to, size_t size) override {
    ZSTD_outBuffer out = {to, size, 0};
    while (out.pos == 0) {
      // The last bytes of a frame may wait inside although all of the input was taken.
      if (input_.pos == input_.size && !refill() && !waiting_) {
        MINILLM_CHECK(!inside_, "'{}': the zstd data is cut off after {} bytes", path_, consumed_);
        return 0;
      }
      const size_t before = input_.pos;
      const size_t status = ZSTD_decompressStream(context_, &out, &input_);
      consumed_ += input_.pos - before;
      MINILLM_CHECK(!ZSTD_isError(status), "'{}': the zstd data is damaged near byte {}: {}", path_,
                    consumed_, ZSTD_getErrorName(status));
      inside_ = status != 0;
      waiting_ = out.pos == out.size && inside_;
    }
    return out.pos;
  }

 private:
  bool refill() {
    input_ = {buffer_.data(), packed_->read(buffer_.data(), buffer_.size()), 0};
    return input_.size > 0;
  }

  std::unique_ptr<ByteSource> packed_;
  std::string path_;
  ZSTD_DCtx* context_;
  std::array<char, 1 << 16> buffer_;
  ZSTD_inBuffer input_ = {nullptr, 0, 0};
  uint64_t consumed_ = 0;
  bool inside_ = true, waiting_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource> packed, const char* path) {
  return std::make_unique<Zstd>(std::move(packed), path);
}
#else
std::unique_ptr<ByteSource> unpack_zstd(std::unique_ptr<ByteSource>, const char*) {
  return nullptr;
}
#endif

}  // namespace minillm
