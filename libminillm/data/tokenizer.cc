#include "libminillm/data/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/parallel.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/sentencepiece_check.h"

namespace minillm {
namespace {

constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";  // U+2581, a space in a piece
// Appended to a model: normalizer_spec with add_dummy_prefix and remove_extra_whitespaces false. A
// protobuf message that comes twice is merged, and the last value of each field holds.
constexpr std::string_view kKeepWhitespace("\x1a\x04\x18\x00\x20\x00", 6);
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);  // likewise, of the first alone
constexpr size_t kChunkBytes = size_t{1} << 16;
constexpr size_t kMaxUndividedBytes = size_t{256} << 20;

}  // namespace

struct Tokenizer::State {
  std::string bytes;
  std::string hash;
  SentencePieceModelInfo model;
  std::vector<std::string> token_bytes;
  std::vector<Token> byte_ids;  // of the 256 byte pieces, if there are any
  // Whether the model keeps every character of the text, as those of train_tokenizer do.
  bool lossless = false;
  // Whether no piece spans a line end, so that lines can be encoded one by one.
  bool lines_are_separate = false;
  // Whether a space begins every piece that holds one after other characters' pieces: then a text
  // may be divided where a word ends, which one line of a whole corpus needs.
  bool words_are_separate = false;
  SpecialTokens special;
  size_t own_pieces = 0;  // of the model file
  Token bos = -1, eos = -1, unk = -1, pad = -1;
  std::map<std::string, Token, std::less<>> controls;
  sentencepiece::SentencePieceProcessor processor;
  // The same without dummy prefix and with every space; only if that is different.
  std::unique_ptr<sentencepiece::SentencePieceProcessor> continuing;

  Token find_control(std::string_view text) const {
    const auto found = controls.find(text);
    return found == controls.end() ? -1 : found->second;
  }
  std::string take_special(const std::string& model_bytes);
  std::string differences(bool retyped) const;
  void index_pieces();
  void name_special(const sentencepiece::SentencePieceProcessor& loaded);
  void encode_part(const sentencepiece::SentencePieceProcessor& encoder, std::string_view text,
                   std::vector<Token>& tokens) const;
  std::vector<std::string_view> divide(std::string_view text) const;
};

// Adds the added tokens, and makes special pieces control pieces. Returns the bytes for
// sentencepiece.
std::string Tokenizer::State::take_special(const std::string& model_bytes) {
  std::set<size_t> retyped;
  const auto make_control = [&](std::optional<Token> id) {
    if (!id || *id < 0 || static_cast<size_t>(*id) >= model.pieces.size()) return;
    PieceType& type = model.pieces[static_cast<size_t>(*id)].type;
    if (type != PieceType::kNormal && type != PieceType::kUserDefined) return;
    type = PieceType::kControl;
    retyped.insert(static_cast<size_t>(*id));
  };
  for (const std::optional<Token>& id : {special.bos, special.eos, special.pad}) make_control(id);
  for (const AddedToken& token : special.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id < model.pieces.size()) {
      if (token.special && model.pieces[id].text == token.text) make_control(token.id);
    }
  }
  own_pieces = model.pieces.size();
  for (const AddedToken& token : special.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id < own_pieces) continue;
    for (size_t gap = model.pieces.size(); gap <= id; ++gap)
      model.pieces.push_back({fmt::format("[PAD{}]", gap), -10000, PieceType::kUnused});
    model.pieces[id] = {token.text, 0,
                        token.special ? PieceType::kControl : PieceType::kUserDefined};
  }
  std::string loaded = retyped.empty() ? model_bytes : with_control_pieces(model_bytes, retyped);
  if (!special.add_prefix_space && model.add_dummy_prefix) {
    model.add_dummy_prefix = false;
    loaded += kNoDummyPrefix;
  }
  return loaded;
}

// What ids mean other than the model file alone says: the hash is of that, too.
std::string Tokenizer::State::differences(bool retyped) const {
  std::string text = retyped ? "retyped\n" : "";
  for (const AddedToken& token : special.added)
    if (static_cast<size_t>(token.id) >= own_pieces)
      text += fmt::format("{} {}\n", token.id, token.text);
  if (special.bos && *special.bos != find_control("<s>")) text += fmt::format("bos {}\n", bos);
  if (special.eos && *special.eos != find_control("</s>")) text += fmt::format("eos {}\n", eos);
  return text;
}

// What the directory says goes first, then the usual names, then the model file's own.
void Tokenizer::State::name_special(const sentencepiece::SentencePieceProcessor& loaded) {
  const auto named = [&](const std::optional<Token>& given, const char* first, const char* second,
                         int own) {
    if (given) return *given;
    const Token by_name = std::max(find_control(first), find_control(second));
    if (by_name >= 0) return by_name;
    const bool control = own >= 0 && static_cast<size_t>(own) < model.pieces.size() &&
                         model.pieces[static_cast<size_t>(own)].type == PieceType::kControl;
    return control ? static_cast<Token>(own) : Token{-1};
  };
  bos = named(special.bos, "<s>", "<|begin_of_text|>", loaded.bos_id());
  eos = named(special.eos, "</s>", "<|end_of_text|>", loaded.eos_id());
  pad = named(special.pad, "<pad>", "<pad>", -1);
}

void Tokenizer::State::index_pieces() {
  lines_are_separate = words_are_separate = true;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceInfo& piece = model.pieces[id];
    token_bytes.push_back(piece_bytes(piece, model.unk_surface));
    if (piece.type == PieceType::kControl) controls.emplace(piece.text, id);
    if (piece.type == PieceType::kUnknown) unk = static_cast<Token>(id);
    if (piece.type == PieceType::kByte) {
      byte_ids.resize(256, -1);
      byte_ids[static_cast<uint8_t>(token_bytes.back()[0])] = static_cast<Token>(id);
    } else {
      if (piece.text.find('\n') != std::string::npos) lines_are_separate = false;
      const std::string& words = token_bytes.back();
      const bool is_text =
          piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
      if (is_text && words.find(' ', words.find_first_not_of(' ')) != std::string::npos)
        words_are_separate = false;
    }
  }
  lossless = model.is_bpe && model.byte_fallback && !model.has_normalization_table &&
             model.escape_whitespaces && !model.add_dummy_prefix && !model.remove_extra_whitespaces;
}

void Tokenizer::State::encode_part(const sentencepiece::SentencePieceProcessor& encoder,
                                   std::string_view text, std::vector<Token>& tokens) const {
  MINILLM_CHECK(text.size() <= kMaxUndividedBytes,
                "tokenizer: text is too long: expected at most {} bytes, got {}",
                kMaxUndividedBytes, text.size());
  std::vector<int> ids;
  const auto status = encoder.Encode({text.data(), text.size()}, &ids);
  MINILLM_CHECK(status.ok(), "tokenizer: cannot encode the text: {}", status.error_message());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
}

// Parts that can be encoded separately: each U+2581 alone, and long texts cut at line ends, so that
// memory stays small and all threads have work.
std::vector<std::string_view> Tokenizer::State::divide(std::string_view text) const {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = text.size();
    if (lines_are_separate && end > kChunkBytes)
      end = std::min(end, text.find('\n', kChunkBytes) + 1);
    if (end == 0) end = text.size();  // no line end (npos + 1)
    if (words_are_separate && end > 2 * kChunkBytes) {
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

Tokenizer Tokenizer::from_bytes(std::string model_bytes, const std::string& name,
                                SpecialTokens special) {
  auto state = std::make_shared<State>();
  state->model = check_sentencepiece_model(model_bytes, name);
  state->special = std::move(special);
  const std::string loaded = state->take_special(model_bytes);
  state->index_pieces();
  const auto load = [&](sentencepiece::SentencePieceProcessor& into, const std::string& bytes) {
    const auto status = into.LoadFromSerializedProto({bytes.data(), bytes.size()});
    MINILLM_CHECK(status.ok(), "tokenizer '{}': sentencepiece refuses it: {}", name,
                  status.error_message());
  };
  load(state->processor, loaded);
  if (state->model.add_dummy_prefix || state->model.remove_extra_whitespaces) {
    state->continuing = std::make_unique<sentencepiece::SentencePieceProcessor>();
    load(*state->continuing, loaded + std::string(kKeepWhitespace));
  }
  state->name_special(state->processor);
  state->hash = sha256(model_bytes);
  if (const std::string other = state->differences(loaded != model_bytes); !other.empty())
    state->hash = sha256(state->hash + other);
  state->bytes = std::move(model_bytes);
  Tokenizer tokenizer;
  tokenizer.state_ = std::move(state);
  const ChatTemplate& own = chat_template_named(kChatTemplateId);
  if (tokenizer.bos() >= 0 && tokenizer.control("<|im_start|>") >= 0 &&
      tokenizer.control("<|im_end|>") >= 0)
    return tokenizer.with_chat_template(own);
  return tokenizer.without_chat_template(
      "it has no chat markers: expected control pieces '<s>', '<|im_start|>' and '<|im_end|>' "
      "(train one with train_tokenizer, or choose a template with options.chat_template)");
}

Tokenizer Tokenizer::load(const std::string& path, SpecialTokens special) {
  return from_bytes(read_file(path, kMaxModelBytes), path, std::move(special));
}

const std::string& Tokenizer::bytes() const { return state_->bytes; }
const std::string& Tokenizer::hash() const { return state_->hash; }
Index Tokenizer::vocab_size() const { return static_cast<Index>(state_->model.pieces.size()); }
const std::vector<SentencePieceInfo>& Tokenizer::pieces() const { return state_->model.pieces; }
const SpecialTokens& Tokenizer::special() const { return state_->special; }
bool Tokenizer::adds_bos() const { return state_->special.add_bos && state_->bos >= 0; }
std::vector<Token> Tokenizer::end_tokens() const {
  std::vector<Token> ends;
  const auto add = [&](Token id) {
    if (id >= 0 && std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  };
  add(eos());
  add(answer_end());
  for (const Token id : state_->special.config_ends) add(id);
  for (const Token id : state_->special.generation_ends) add(id);
  return ends;
}
Token Tokenizer::unk() const { return state_->unk; }
Token Tokenizer::bos() const { return state_->bos; }
Token Tokenizer::eos() const { return state_->eos; }
Token Tokenizer::pad() const { return state_->pad; }
Token Tokenizer::control(std::string_view piece) const { return state_->find_control(piece); }
bool Tokenizer::adds_leading_space() const {
  return state_->model.add_dummy_prefix || state_->model.remove_extra_whitespaces;
}

const std::string& Tokenizer::token_bytes(Token token) const {
  MINILLM_CHECK(token >= 0 && token < vocab_size(),
                "tokenizer: token id is out of range: expected 0 to {}, got {}", vocab_size() - 1,
                token);
  return state_->token_bytes[static_cast<size_t>(token)];
}

bool Tokenizer::is_control(Token token) const {
  return token >= 0 && token < vocab_size() &&
         state_->model.pieces[static_cast<size_t>(token)].type == PieceType::kControl;
}

std::string Tokenizer::piece(Token token) const {
  token_bytes(token);  // checks the range
  return state_->model.pieces[static_cast<size_t>(token)].text;
}

Token Tokenizer::answer_end() const {
  return chat_template_ == nullptr ? -1 : control(chat_template_->answer_end());
}

Tokenizer Tokenizer::with_chat_template(const ChatTemplate& chat_template) const {
  const auto check = [&](const std::string& piece) {
    MINILLM_CHECK(piece.empty() || control(piece) >= 0,
                  "tokenizer: the chat template '{}' needs the control piece '{}', which it has "
                  "not (options.chat_template chooses another)",
                  chat_template.id, piece);
  };
  check(chat_template.start);
  for (const TurnFormat& turn : chat_template.turns) {
    check(turn.end);
    for (const auto* parts : {&turn.header, &turn.next})
      for (const TurnFormat::Part& part : *parts)
        if (part.control) check(part.text);
  }
  Tokenizer other = *this;
  other.chat_template_ = &chat_template;
  other.problem_.clear();
  return other;
}

Tokenizer Tokenizer::without_chat_template(std::string problem) const {
  Tokenizer other = *this;
  other.chat_template_ = nullptr;
  other.problem_ = std::move(problem);
  return other;
}

std::vector<Token> Tokenizer::encode(std::string_view text) const {
  return encode_with(false, text);
}
std::vector<Token> Tokenizer::encode_continuing(std::string_view text) const {
  return encode_with(state_->continuing != nullptr, text);
}

std::vector<Token> Tokenizer::encode_with(bool continuing, std::string_view text) const {
  size_t bad_byte = 0;
  MINILLM_CHECK(is_valid_utf8(text, &bad_byte), "tokenizer: text is not UTF-8: byte {} is 0x{:02X}",
                bad_byte, static_cast<uint8_t>(text[bad_byte]));
  std::vector<Token> tokens;
  if (!state_->lossless) {
    state_->encode_part(continuing ? *state_->continuing : state_->processor, text, tokens);
    return tokens;
  }
  const std::vector<std::string_view> parts = state_->divide(text);
  std::vector<std::vector<Token>> encoded(parts.size());
  parallel_for(parts.size(), [&](size_t i) {
    // sentencepiece writes spaces as U+2581, so a U+2581 in the text would come back as a space: it
    // is spelled in bytes.
    if (parts[i] == kSpaceSymbol)
      for (const char c : kSpaceSymbol)
        encoded[i].push_back(state_->byte_ids[static_cast<uint8_t>(c)]);
    else
      state_->encode_part(state_->processor, parts[i], encoded[i]);
  });
  for (const std::vector<Token>& part : encoded)
    tokens.insert(tokens.end(), part.begin(), part.end());
  return tokens;
}

std::string Tokenizer::decode(std::span<const Token> tokens) const {
  StreamDecoder decoder(*this);
  std::string text;
  for (const Token token : tokens) text += decoder.push(token);
  return text + decoder.finish();
}

}  // namespace minillm
