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
  uint32_t state_[8];
  uint64_t length_ = 0;       // bytes seen
  unsigned char buffer_[64];  // the last length_ % 64 of them
};

// Takes `count` blocks of 64 bytes into the eight words of a state: by the processor's
// instructions, where it has them, or portably (for a test).
void sha256_blocks(uint32_t* state, const unsigned char* blocks, size_t count);
void sha256_blocks_portable(uint32_t* state, const unsigned char* blocks, size_t count);

std::string sha256(std::string_view bytes);
// Throws Error if the file cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_SHA256_H_
