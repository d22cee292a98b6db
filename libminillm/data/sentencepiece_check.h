// A sentencepiece model file, parsed and checked by ourselves before sentencepiece sees it.
//
// sentencepiece 0.1.97 trusts its model files: a very long piece overflows its stack, a crafted
// normalisation table makes it read out of bounds, and NUL bytes and duplicates confuse its maps
// (upstream issues 1263, 1269, 1272, 1308). What passes here is small, well-formed and unambiguous.

#ifndef LIBMINILLM_DATA_SENTENCEPIECE_CHECK_H_
#define LIBMINILLM_DATA_SENTENCEPIECE_CHECK_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// SentencePiece.Type of sentencepiece_model.proto.
enum class PieceType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct SentencePieceInfo {
  std::string text;  // with U+2581 for a space
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct SentencePieceModelInfo {
  std::vector<SentencePieceInfo> pieces;  // by id
  bool is_bpe = false;                    // else unigram
  bool byte_fallback = false;
  // Normalisation. All off in the models we train, so that decoding exactly undoes encoding.
  bool has_normalization_table = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  std::string unk_surface = " \xe2\x81\x87 ";  // what an unknown piece decodes to
};

// What a piece adds to a text: a byte piece its byte, a control piece nothing.
std::string piece_bytes(const SentencePieceInfo& piece, const std::string& unk_surface);

// The same model with these pieces of type CONTROL, so that no text produces them. The bytes must
// have been checked.
std::string with_control_pieces(std::string_view bytes, const std::set<size_t>& ids);

// Parses the bytes of a .model file. Throws Error: `tokenizer '<name>': <what is wrong>`.
SentencePieceModelInfo check_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_SENTENCEPIECE_CHECK_H_
