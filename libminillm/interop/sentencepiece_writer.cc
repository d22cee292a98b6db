#include "libminillm/interop/sentencepiece_writer.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>

namespace minillm {
namespace {

// Fields of protobuf messages (sentencepiece_model.proto): number and wire type, then the value.
void append_varint(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}
void append_number(std::string& to, int field, uint64_t value) {
  append_varint(to, static_cast<uint64_t>(field) << 3);
  append_varint(to, value);
}
void append_text(std::string& to, int field, std::string_view text) {
  append_varint(to, static_cast<uint64_t>(field) << 3 | 2);
  append_varint(to, text.size());
  to += text;
}
void append_float(std::string& to, int field, float value) {
  append_varint(to, static_cast<uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>(bits >> shift);
}

std::string piece_message(const SentencePieceInfo& piece) {
  std::string message;
  append_text(message, 1, piece.text);
  append_float(message, 2, piece.score);
  append_number(message, 3, static_cast<uint64_t>(piece.type));
  return message;
}

}  // namespace

std::string sentencepiece_model(std::span<const SentencePieceInfo> pieces, bool add_dummy_prefix,
                                const std::string& name) {
  std::string model;
  for (const SentencePieceInfo& piece : pieces) append_text(model, 1, piece_message(piece));
  const bool has_bytes = std::any_of(pieces.begin(), pieces.end(), [](const auto& piece) {
    return piece.type == PieceType::kByte;
  });
  std::string trainer;
  append_number(trainer, 3, 2);  // model_type: BPE
  append_number(trainer, 4, pieces.size());
  append_number(trainer, 35, has_bytes ? 1 : 0);  // byte_fallback
  append_text(trainer, 44, " \xe2\x81\x87 ");     // unk_surface
  append_text(model, 2, trainer);
  std::string normalizer;
  append_text(normalizer, 1, "identity");
  append_number(normalizer, 3, add_dummy_prefix ? 1 : 0);
  append_number(normalizer, 4, 0);  // remove_extra_whitespaces
  append_number(normalizer, 5, 1);  // escape_whitespaces
  append_text(model, 3, normalizer);
  check_sentencepiece_model(model, name);  // pieces unique, bytes in their places, ...
  return model;
}

}  // namespace minillm
