// The bytes of a token shard, shared by its writer and its reader. Internal.
//
//   ids      tokens x (2 or 4) bytes, document after document, then zeros up to a multiple of 8
//   offsets  (documents + 1) x u64: where each document begins in the ids, and the number of tokens
//   trailer  128 bytes: magic "MLLMSHRD", u32 version, u32 bytes per id, u64 vocabulary size,
//            u64 documents, u64 tokens, u64 text bytes, 64 hexadecimal digits of the source hash,
//            16 zero bytes
//
// All numbers are little-endian. The counts are known only at the end, hence a trailer.

#ifndef LIBMINILLM_DATA_TOKEN_SHARD_FORMAT_H_
#define LIBMINILLM_DATA_TOKEN_SHARD_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libminillm/core/real.h"

namespace minillm::shard_format {

inline constexpr std::string_view kMagic = "MLLMSHRD";
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kTrailerBytes = 128;

inline uint32_t bytes_per_id(Index vocab_size) { return vocab_size <= 65536 ? 2 : 4; }

// Element `i` of an array of unsigned numbers of `width` bytes.
inline uint64_t load_unsigned(std::span<const std::byte> bytes, uint64_t i, int width) {
  const std::byte* at = bytes.data() + i * static_cast<uint64_t>(width);
  if (width == 2) return std::to_integer<uint64_t>(at[0]) | std::to_integer<uint64_t>(at[1]) << 8;
  uint64_t value = 0;
  for (int b = width - 1; b >= 0; --b) value = value << 8 | std::to_integer<uint64_t>(at[b]);
  return value;
}

inline void append_unsigned(std::string& bytes, uint64_t value, int width) {
  for (int b = 0; b < width; ++b) bytes += static_cast<char>(value >> (8 * b) & 0xff);
}

struct Trailer {
  uint32_t version = kVersion;
  uint32_t bytes_per_id = 2;
  uint64_t vocab_size = 0;
  uint64_t documents = 0;
  uint64_t tokens = 0;
  uint64_t text_bytes = 0;
  std::string source_hash;

  uint64_t offsets_begin() const { return (tokens * bytes_per_id + 7) / 8 * 8; }
  uint64_t file_bytes() const { return offsets_begin() + (documents + 1) * 8 + kTrailerBytes; }

  std::string bytes() const {
    std::string out(kMagic);
    append_unsigned(out, version, 4);
    append_unsigned(out, bytes_per_id, 4);
    for (const uint64_t number : {vocab_size, documents, tokens, text_bytes})
      append_unsigned(out, number, 8);
    out += source_hash;
    out.resize(kTrailerBytes, '\0');
    return out;
  }
  // REQUIRES kTrailerBytes bytes.
  static Trailer parse(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    Trailer trailer;
    trailer.version = static_cast<uint32_t>(load_unsigned(bytes, 2, 4));
    trailer.bytes_per_id = static_cast<uint32_t>(load_unsigned(bytes, 3, 4));
    trailer.vocab_size = load_unsigned(bytes, 2, 8);
    trailer.documents = load_unsigned(bytes, 3, 8);
    trailer.tokens = load_unsigned(bytes, 4, 8);
    trailer.text_bytes = load_unsigned(bytes, 5, 8);
    trailer.source_hash = text.substr(48, 64);
    return trailer;
  }
};

}  // namespace minillm::shard_format

#endif  // LIBMINILLM_DATA_TOKEN_SHARD_FORMAT_H_
