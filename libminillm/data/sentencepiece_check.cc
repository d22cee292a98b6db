#include "libminillm/data/sentencepiece_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <unordered_set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"  // sha256
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

constexpr size_t kMaxModelBytes = size_t{64} << 20;
constexpr size_t kMaxPieces = 1000000;
constexpr size_t kMaxPieceBytes = 1024;
constexpr size_t kMaxOptionBytes = 1024;

// SHA-256 of the normalisation tables that sentencepiece itself ships. Any other table is refused:
// 0.1.97 walks it without bounds checks.
constexpr std::array<std::string_view, 5> kKnownNormalizationTables = {
    "557b5397b1133d8abb62f7923e5b53ee496d3e36b9f63fd42625077c33688a14",  // nfkc, 0.1.97
    "ec4a65fa10ad2a465f4f30ac3ee83a4ba4e9f507a4b092e07ff790c1c7c318af",  // nfkc, its test model's
    "51d3684747b35ef99cd4802f37cc1ee0c6bec4d060814f774efb1066d3c167f2",  // nmt_nfkc
    "b30e4085ba1fad56d2401f4612419b6b3b42c5adc1e04f3aa1806399895d6bdd",  // nfkc_cf
    "6cec34e8016fd0d0a2da28b60b00e36b19a275df83786bf6b494bd033c708f83",  // nmt_nfkc_cf
};

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, a space in a piece

std::string replace_space_symbols(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    if (piece.starts_with(kSpace)) {
      text += ' ';
      piece.remove_prefix(kSpace.size());
    } else {
      text += piece.front();
      piece.remove_prefix(1);
    }
  }
  return text;
}

// Reads the protobuf wire format: a message is a sequence of (field number, wire type, value).
class ProtobufReader {
 public:
  ProtobufReader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  // Moves on to the next field; false at the end.
  bool next() {
    if (position_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field_ = key >> 3;
    wire_type_ = static_cast<int>(key & 7);
    check(field_ > 0 && field_ < (uint64_t{1} << 29), "has a field number out of range");
    switch (wire_type_) {
      case 0:
        number_ = varint();
        break;
      case 1:
        content_ = take(8);
        break;
      case 2:
        content_ = take(varint());
        break;
      case 5:
        content_ = take(4);
        break;
      default:
        check(false, "has an unknown wire type");
    }
    return true;
  }

  uint64_t field() const { return field_; }
  size_t position() const { return position_; }  // after the last field
  uint64_t number() const { return expect(0), number_; }
  std::string_view content() const { return expect(2), content_; }
  float real() const {
    expect(5);
    uint32_t bits = 0;
    for (int i = 3; i >= 0; --i)
      bits = bits << 8 | static_cast<uint8_t>(content_[static_cast<size_t>(i)]);
    return std::bit_cast<float>(bits);
  }

 private:
  void check(bool condition, const char* what) const {
    MINILLM_CHECK(condition, "tokenizer '{}': is not a sentencepiece model: byte {} {}", name_,
                  position_, what);
  }
  void expect(int wire_type) const {
    check(wire_type_ == wire_type, "ends a field of the wrong type");
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      check(position_ < bytes_.size(), "is the end of the file, inside a number");
      const uint8_t byte = static_cast<uint8_t>(bytes_[position_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    check(false, "ends a number of more than 64 bits");
    return 0;
  }
  std::string_view take(uint64_t length) {
    check(length <= bytes_.size() - position_, "starts a field that is longer than the file");
    const std::string_view taken = bytes_.substr(position_, length);
    position_ += length;
    return taken;
  }

  std::string_view bytes_;
  const std::string& name_;
  size_t position_ = 0;
  uint64_t field_ = 0;
  int wire_type_ = 0;
  uint64_t number_ = 0;
  std::string_view content_;
};

SentencePieceInfo read_piece(std::string_view bytes, const std::string& name) {
  SentencePieceInfo piece;
  for (ProtobufReader reader(bytes, name); reader.next();) {
    if (reader.field() == 1) piece.text = reader.content();
    if (reader.field() == 2) piece.score = reader.real();
    if (reader.field() == 3) {
      const uint64_t type = reader.number();
      MINILLM_CHECK(type >= 1 && type <= 6,
                    "tokenizer '{}': unknown piece type: expected 1 to 6, got {}", name, type);
      piece.type = static_cast<PieceType>(type);
    }
  }
  return piece;
}

void read_trainer_spec(SentencePieceModelInfo& model, std::string_view bytes,
                       const std::string& name) {
  uint64_t model_type = 1;
  for (ProtobufReader reader(bytes, name); reader.next();) {
    if (reader.field() == 3) model_type = reader.number();
    if (reader.field() == 35) model.byte_fallback = reader.number() != 0;
    if (reader.field() == 44) {
      model.unk_surface = reader.content();
      MINILLM_CHECK(
          model.unk_surface.size() <= kMaxOptionBytes && is_valid_utf8(model.unk_surface),
          "tokenizer '{}': the text of unknown pieces is not UTF-8 or longer than {} bytes", name,
          kMaxOptionBytes);
    }
  }
  MINILLM_CHECK(model_type == 1 || model_type == 2,
                "tokenizer '{}': unsupported model type: expected 1 (unigram) or 2 (BPE), got {}",
                name, model_type);
  model.is_bpe = model_type == 2;
}

bool is_known_table(std::string_view table) {
  const auto& known = kKnownNormalizationTables;
  return std::find(known.begin(), known.end(), sha256(table)) != known.end();
}

void read_normalizer_spec(SentencePieceModelInfo& model, std::string_view bytes,
                          const std::string& name) {
  for (ProtobufReader reader(bytes, name); reader.next();) {
    if (reader.field() == 2 && !reader.content().empty()) {
      MINILLM_CHECK(
          is_known_table(reader.content()),
          "tokenizer '{}': unknown normalisation table of {} bytes: expected none (identity) or "
          "one that sentencepiece ships (nfkc, nmt_nfkc, ...)",
          name, reader.content().size());
      model.has_normalization_table = true;
    }
    if (reader.field() == 3) model.add_dummy_prefix = reader.number() != 0;
    if (reader.field() == 4) model.remove_extra_whitespaces = reader.number() != 0;
    if (reader.field() == 5) model.escape_whitespaces = reader.number() != 0;
  }
}

// How many characters the valid UTF-8 text has.
int64_t character_count(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

void check_piece(const SentencePieceInfo& piece, size_t id, const std::string& name) {
  MINILLM_CHECK(!piece.text.empty() && piece.text.size() <= kMaxPieceBytes,
                "tokenizer '{}': piece {} has a bad length: expected 1 to {} bytes, got {}", name,
                id, kMaxPieceBytes, piece.text.size());
  MINILLM_CHECK(is_valid_utf8(piece.text), "tokenizer '{}': piece {} is not UTF-8", name, id);
  MINILLM_CHECK(piece.text.find('\0') == std::string::npos,
                "tokenizer '{}': piece {} contains a NUL", name, id);
  MINILLM_CHECK(std::isfinite(piece.score),
                "tokenizer '{}': piece {} has a score that is not finite", name, id);
  // Single characters are looked up among the control pieces too, so a text could produce one.
  MINILLM_CHECK(
      piece.type != PieceType::kControl || character_count(piece.text) > 1,
      "tokenizer '{}': control piece {} is the single character '{}', which any text could contain",
      name, id, piece.text);
}

// What must hold for all pieces together: texts are unique, there is one unknown piece, and bytes
// come as the full set <0x00> ... <0xFF> or not at all.
void check_pieces(const SentencePieceModelInfo& model, const std::string& name) {
  MINILLM_CHECK(!model.pieces.empty(),
                "tokenizer '{}': is not a sentencepiece model: it has no pieces", name);
  std::unordered_set<std::string_view> texts;
  int64_t unknown = 0, bytes = 0, normal = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceInfo& piece = model.pieces[id];
    check_piece(piece, id, name);
    MINILLM_CHECK(texts.insert(piece.text).second, "tokenizer '{}': piece {} '{}' appears twice",
                  name, id, piece.text);
    unknown += piece.type == PieceType::kUnknown;
    normal += piece.type == PieceType::kNormal;
    if (piece.type == PieceType::kByte) {
      ++bytes;
      unsigned value = 256;
      const bool parsed = piece.text.size() == 6 && piece.text.starts_with("<0x") &&
                          std::sscanf(piece.text.c_str(), "<0x%2X>", &value) == 1;
      MINILLM_CHECK(
          parsed && piece.text == fmt::format("<0x{:02X}>", value),
          "tokenizer '{}': byte piece {} has a bad name: expected <0x00> to <0xFF>, got '{}'", name,
          id, piece.text);
    }
  }
  MINILLM_CHECK(unknown == 1, "tokenizer '{}': expected one unknown piece, got {}", name, unknown);
  MINILLM_CHECK(normal > 0, "tokenizer '{}': it has no normal pieces", name);
  MINILLM_CHECK(bytes == (model.byte_fallback ? 256 : 0),
                "tokenizer '{}': expected {} byte pieces, got {}", name,
                model.byte_fallback ? 256 : 0, bytes);
}

}  // namespace

SentencePieceModelInfo check_sentencepiece_model(std::string_view bytes, const std::string& name) {
  MINILLM_CHECK(!bytes.empty(), "tokenizer '{}': the file is empty: expected a sentencepiece model",
                name);
  MINILLM_CHECK(bytes.size() <= kMaxModelBytes,
                "tokenizer '{}': too large: expected at most {} bytes, got {}", name,
                kMaxModelBytes, bytes.size());
  SentencePieceModelInfo model;
  for (ProtobufReader reader(bytes, name); reader.next();) {
    if (reader.field() == 1) {
      MINILLM_CHECK(model.pieces.size() < kMaxPieces, "tokenizer '{}': more than {} pieces", name,
                    kMaxPieces);
      model.pieces.push_back(read_piece(reader.content(), name));
    }
    if (reader.field() == 2) read_trainer_spec(model, reader.content(), name);
    if (reader.field() == 3) read_normalizer_spec(model, reader.content(), name);
    MINILLM_CHECK(reader.field() != 4 || reader.content().empty(),
                  "tokenizer '{}': it carries self-test data, which is not supported", name);
    MINILLM_CHECK(reader.field() != 5 || reader.content().empty(),
                  "tokenizer '{}': it carries a denormalizer, which is not supported", name);
  }
  check_pieces(model, name);
  return model;
}

std::string piece_bytes(const SentencePieceInfo& piece, const std::string& unk_surface) {
  switch (piece.type) {
    case PieceType::kControl:
      return "";
    case PieceType::kUnknown:
      return unk_surface;
    case PieceType::kByte: {
      unsigned value = 0;
      std::from_chars(piece.text.data() + 3, piece.text.data() + 5, value, 16);  // <0xNN>
      return std::string(1, static_cast<char>(value));
    }
    default:
      return replace_space_symbols(piece.text);
  }
}

std::string with_control_pieces(std::string_view bytes, const std::set<size_t>& ids) {
  // A field that comes twice holds its last value: field 3, the type, is appended to the piece.
  constexpr std::string_view kControlType("\x18\x03", 2);
  constexpr uint64_t kPieceTag = 1 << 3 | 2;  // field 1, a message
  const std::string name = "model";
  std::string result;
  const auto append_varint = [&](uint64_t value) {
    for (; value >= 0x80; value >>= 7) result += static_cast<char>(value | 0x80);
    result += static_cast<char>(value);
  };
  ProtobufReader reader(bytes, name);
  size_t id = 0, copied = 0;
  while (reader.next()) {
    const size_t end = reader.position();
    if (reader.field() == 1 && ids.contains(id++)) {
      append_varint(kPieceTag);
      append_varint(reader.content().size() + kControlType.size());
      result += reader.content();
      result += kControlType;
    } else {
      result += bytes.substr(copied, end - copied);
    }
    copied = end;
  }
  return result;
}

}  // namespace minillm
