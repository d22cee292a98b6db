// SHA-256 (FIPS 180-4): names the content of checkpoints, data sets and tokenizers.

#ifndef LIBMINILLM_CORE_SHA256_H_
#define LIBMINILLM_CORE_SHA256_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace minillm {

// The hash of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  std::string hex();  // 64 hexadecimal digits; finishes, so call it once

 private:
  void compress(const unsigned char* block);

  uint32_t state_[8];
  uint64_t length_ = 0;       // bytes seen
  unsigned char buffer_[64];  // the last length_ % 64 of them
};

std::string sha256(std::string_view bytes);
// Throws Error if the file cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_SHA256_H_
