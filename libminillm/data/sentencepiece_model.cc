// A sentencepiece model as a TokenModel.

#include <sentencepiece_processor.h>

#include <algorithm>
#include <functional>
#include <span>

#include "libminillm/core/check.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/token_model.h"
#include "libminillm/data/word_cache.h"

namespace minillm {
namespace {

constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";  // U+2581, a space in a piece
// Appended to a model: normalizer_spec with add_dummy_prefix and remove_extra_whitespaces false. A
// protobuf message that comes twice is merged, and the last value of each field holds.
constexpr std::string_view kKeepWhitespace("\x1a\x04\x18\x00\x20\x00", 6);
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);  // likewise, of the first alone
constexpr size_t kChunkBytes = size_t{1} << 16;
constexpr size_t kMaxUndividedBytes = size_t{256} << 20;

class SentencepieceModel final : public TokenModel {
 public:
  SentencepieceModel(const std::string& bytes, const std::string& name,
                     const SpecialTokens& special);
  std::vector<Token> encode(std::string_view text, bool continuing) const override;

 private:
  void index_pieces(const std::string& unk_surface);
  void encode_part(const sentencepiece::SentencePieceProcessor& encoder, std::string_view text,
                   std::vector<Token>& tokens) const;
  std::vector<std::string_view> divide(std::string_view text) const;
  void encode_words(std::string_view text, std::vector<Token>& tokens) const;
  size_t end_of_word(std::string_view text) const;

  std::vector<Token> byte_ids_;  // of the 256 byte pieces, if there are any
  // Whether the model keeps every character of the text, as those of train_tokenizer do.
  bool lossless_ = false;
  // Whether no piece spans a line end, so that lines can be encoded one by one.
  bool lines_are_separate_ = true;
  // Whether a space begins every piece that holds one after other characters' pieces: then a text
  // may be divided where a word ends.
  bool words_are_separate_ = true;
  sentencepiece::SentencePieceProcessor processor_;
  // The same without dummy prefix and with every space; only if that is different.
  std::unique_ptr<sentencepiece::SentencePieceProcessor> continuing_;
  mutable WordCaches caches_;
};

SentencepieceModel::SentencepieceModel(const std::string& bytes, const std::string& name,
                                       const SpecialTokens& special) {
  SentencePieceModelInfo model = check_sentencepiece_model(bytes, name);
  pieces = std::move(model.pieces);
  const std::set<size_t> retyped = take_special(special);
  std::string loaded = retyped.empty() ? bytes : with_control_pieces(bytes, retyped);
  if (!special.add_prefix_space && model.add_dummy_prefix) {
    model.add_dummy_prefix = false;
    loaded += kNoDummyPrefix;
  }
  reinterpreted = loaded != bytes;
  adds_leading_space = model.add_dummy_prefix || model.remove_extra_whitespaces;
  index_pieces(model.unk_surface);
  lossless_ = model.is_bpe && model.byte_fallback && !model.has_normalization_table &&
              model.escape_whitespaces && !adds_leading_space;

  const auto load = [&](sentencepiece::SentencePieceProcessor& into, const std::string& from) {
    const auto status = into.LoadFromSerializedProto({from.data(), from.size()});
    MINILLM_CHECK(status.ok(), "tokenizer '{}': sentencepiece refuses it: {}", name,
                  status.error_message());
  };
  load(processor_, loaded);
  if (adds_leading_space) {
    continuing_ = std::make_unique<sentencepiece::SentencePieceProcessor>();
    load(*continuing_, loaded + std::string(kKeepWhitespace));
  }
  bos = static_cast<Token>(processor_.bos_id());
  eos = static_cast<Token>(processor_.eos_id());
}

void SentencepieceModel::index_pieces(const std::string& unk_surface) {
  for (size_t id = 0; id < pieces.size(); ++id) {
    const SentencePieceInfo& piece = pieces[id];
    token_bytes.push_back(piece_bytes(piece, unk_surface));
    if (piece.type == PieceType::kByte) {
      byte_ids_.resize(256, -1);
      byte_ids_[static_cast<uint8_t>(token_bytes.back()[0])] = static_cast<Token>(id);
    } else {
      if (piece.text.find('\n') != std::string::npos) lines_are_separate_ = false;
      const std::string& words = token_bytes.back();
      const bool is_text =
          piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
      if (is_text && words.find(' ', words.find_first_not_of(' ')) != std::string::npos)
        words_are_separate_ = false;
    }
  }
}

void SentencepieceModel::encode_part(const sentencepiece::SentencePieceProcessor& encoder,
                                     std::string_view text, std::vector<Token>& tokens) const {
  MINILLM_CHECK(text.size() <= kMaxUndividedBytes,
                "tokenizer: text is too long: expected at most {} bytes, got {}",
                kMaxUndividedBytes, text.size());
  std::vector<int> ids;
  const auto status = encoder.Encode({text.data(), text.size()}, &ids);
  MINILLM_CHECK(status.ok(), "tokenizer: cannot encode the text: {}", status.error_message());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
}

// Word by word: most of a text's words have come before, and no merge leads from one to the next.
void SentencepieceModel::encode_words(std::string_view text, std::vector<Token>& tokens) const {
  WordCaches::Lease cache(caches_);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, end_of_word(text));
    text.remove_prefix(word.size());
    const size_t hash = std::hash<std::string_view>()(word);
    if (const auto known = (*cache).find(word, hash); !known.empty()) {
      tokens.insert(tokens.end(), known.begin(), known.end());
      continue;
    }
    const size_t begin = tokens.size();
    encode_part(processor_, word, tokens);
    (*cache).keep(word, hash, std::span(tokens).subspan(begin));
  }
}

// Of the word that a text begins with, the spaces before it included; a line end is one by itself.
// REQUIRES text.
size_t SentencepieceModel::end_of_word(std::string_view text) const {
  if (lines_are_separate_ && text.front() == '\n') return 1;
  const size_t letter = std::min(text.find_first_not_of(' '), text.size());
  size_t end = letter;
  while (end < text.size() && text[end] != ' ' && !(lines_are_separate_ && text[end] == '\n'))
    ++end;
  return end;
}

// Parts that can be encoded separately: each U+2581 alone, and long texts cut at line ends, so that
// memory stays small and all threads have work.
std::vector<std::string_view> SentencepieceModel::divide(std::string_view text) const {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = text.size();
    if (lines_are_separate_ && end > kChunkBytes)
      end = std::min(end, text.find('\n', kChunkBytes) + 1);
    if (end == 0) end = text.size();  // no line end (npos + 1)
    if (words_are_separate_ && end > 2 * kChunkBytes) {
      const size_t letter = text.find_first_not_of(' ', kChunkBytes);
      end = std::min(end, text.find(' ', std::min(letter, text.size())));
    }
    const size_t symbol = text.substr(0, end).find(kSpaceSymbol);
    if (symbol != std::string_view::npos) end = symbol > 0 ? symbol : kSpaceSymbol.size();
    parts.push_back(text.substr(0, end));
    text.remove_prefix(parts.back().size());
  }
  return parts;
}

std::vector<Token> SentencepieceModel::encode(std::string_view text, bool continuing) const {
  std::vector<Token> tokens;
  if (!lossless_) {
    encode_part(continuing && continuing_ ? *continuing_ : processor_, text, tokens);
    return tokens;
  }
  const std::vector<std::string_view> parts = divide(text);
  std::vector<std::vector<Token>> encoded(parts.size());
  parallel_for(parts.size(), [&](size_t i) {
    // sentencepiece writes spaces as U+2581, so a U+2581 in the text would come back as a space: it
    // is spelled in bytes.
    if (parts[i] == kSpaceSymbol)
      for (const char c : kSpaceSymbol) encoded[i].push_back(byte_ids_[static_cast<uint8_t>(c)]);
    else if (words_are_separate_)
      encode_words(parts[i], encoded[i]);
    else
      encode_part(processor_, parts[i], encoded[i]);
  });
  for (const std::vector<Token>& part : encoded)
    tokens.insert(tokens.end(), part.begin(), part.end());
  return tokens;
}

}  // namespace

std::unique_ptr<TokenModel> load_sentencepiece(const std::string& bytes, const std::string& name,
                                               const SpecialTokens& special) {
  return std::make_unique<SentencepieceModel>(bytes, name, special);
}

}  // namespace minillm
