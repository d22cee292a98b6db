#include "libminillm/data/tokenizer.h"

#include <algorithm>
#include <map>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/token_model.h"
#include "libminillm/data/tokenizer_json.h"

namespace minillm {

struct Tokenizer::State {
  std::string bytes;
  std::string hash;
  const char* file_name = kSentencepieceName;
  SpecialTokens special;
  std::unique_ptr<const TokenModel> model;
  Token bos = -1, eos = -1, unk = -1, pad = -1;
  Token usual_bos = -1, usual_eos = -1;  // if `special` names none
  std::map<std::string, Token, std::less<>> controls;

  Token find_control(std::string_view text) const {
    const auto found = controls.find(text);
    return found == controls.end() ? -1 : found->second;
  }
  PieceType type(Token id) const { return model->pieces[static_cast<size_t>(id)].type; }
  void name_special();
  std::string differences() const;
};

// What the directory says goes first, then the usual names, then the file's own.
void Tokenizer::State::name_special() {
  for (size_t id = 0; id < model->pieces.size(); ++id) {
    const SentencePieceInfo& piece = model->pieces[id];
    if (piece.type == PieceType::kControl) controls.emplace(piece.text, id);
    if (piece.type == PieceType::kUnknown) unk = static_cast<Token>(id);
  }
  const auto named = [&](const std::optional<Token>& given, const char* first, const char* second,
                         Token own) {
    if (given) return *given;
    const Token by_name = std::max(find_control(first), find_control(second));
    if (by_name >= 0) return by_name;
    const bool known = own >= 0 && static_cast<size_t>(own) < model->pieces.size();
    return known && type(own) == PieceType::kControl ? own : Token{-1};
  };
  bos = named(special.bos, "<s>", "<|begin_of_text|>", model->bos);
  eos = named(special.eos, "</s>", "<|end_of_text|>", model->eos);
  pad = named(special.pad, "<pad>", "<pad>", -1);
  const bool json = file_name == kTokenizerJsonName;
  usual_bos = json ? named({}, "<s>", "<|begin_of_text|>", model->bos) : find_control("<s>");
  usual_eos = json ? named({}, "</s>", "<|end_of_text|>", model->eos) : find_control("</s>");
}

// What ids mean other than the file alone says: the hash is of that, too.
std::string Tokenizer::State::differences() const {
  std::string text = model->reinterpreted ? "retyped\n" : "";
  for (const AddedToken& token : special.added)
    if (static_cast<size_t>(token.id) >= model->own_pieces)
      text += fmt::format("{} {}\n", token.id, token.text);
  if (special.bos && *special.bos != usual_bos) text += fmt::format("bos {}\n", bos);
  if (special.eos && *special.eos != usual_eos) text += fmt::format("eos {}\n", eos);
  return text;
}

Tokenizer Tokenizer::from_bytes(std::string bytes, const std::string& name, SpecialTokens special) {
  auto state = std::make_shared<State>();
  const bool json = is_tokenizer_json(bytes);
  state->model = (json ? load_tokenizer_json : load_sentencepiece)(bytes, name, special);
  if (json) state->file_name = kTokenizerJsonName;
  state->special = std::move(special);
  state->name_special();
  state->hash = sha256(bytes);
  if (const std::string other = state->differences(); !other.empty())
    state->hash = sha256(state->hash + other);
  state->bytes = std::move(bytes);
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
std::string Tokenizer::file_name() const { return state_->file_name; }
Index Tokenizer::vocab_size() const { return static_cast<Index>(state_->model->pieces.size()); }
const std::vector<SentencePieceInfo>& Tokenizer::pieces() const { return state_->model->pieces; }
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
bool Tokenizer::adds_leading_space() const { return state_->model->adds_leading_space; }

const std::string& Tokenizer::token_bytes(Token token) const {
  MINILLM_CHECK(token >= 0 && token < vocab_size(),
                "tokenizer: token id is out of range: expected 0 to {}, got {}", vocab_size() - 1,
                token);
  return state_->model->token_bytes[static_cast<size_t>(token)];
}

bool Tokenizer::is_control(Token token) const {
  return token >= 0 && token < vocab_size() && state_->type(token) == PieceType::kControl;
}

std::string Tokenizer::piece(Token token) const {
  token_bytes(token);  // checks the range
  return state_->model->pieces[static_cast<size_t>(token)].text;
}

Token Tokenizer::answer_end() const {
  return chat_template_ == nullptr ? -1 : control_piece(*this, chat_template_->answer_end());
}

Tokenizer Tokenizer::with_chat_template(const ChatTemplate& chat_template) const {
  const auto check = [&](const std::string& piece) {
    MINILLM_CHECK(piece.empty() || control_piece(*this, piece) >= 0,
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
  other.unknown_jinja_.clear();
  return other;
}

Tokenizer Tokenizer::without_chat_template(std::string problem, std::string jinja) const {
  Tokenizer other = *this;
  other.chat_template_ = nullptr;
  other.problem_ = std::move(problem);
  other.unknown_jinja_ = std::move(jinja);
  return other;
}

const std::string& Tokenizer::jinja() const {
  return chat_template_ == nullptr ? unknown_jinja_ : chat_template_->jinja;
}

std::vector<Token> Tokenizer::encode(std::string_view text) const {
  return encode_with(false, text);
}
std::vector<Token> Tokenizer::encode_continuing(std::string_view text) const {
  return encode_with(true, text);
}

std::vector<Token> Tokenizer::encode_with(bool continuing, std::string_view text) const {
  size_t bad_byte = 0;
  MINILLM_CHECK(is_valid_utf8(text, &bad_byte), "tokenizer: text is not UTF-8: byte {} is 0x{:02X}",
                bad_byte, static_cast<uint8_t>(text[bad_byte]));
  return state_->model->encode(text, continuing);
}

std::string Tokenizer::decode(std::span<const Token> tokens) const {
  StreamDecoder decoder(*this);
  std::string text;
  for (const Token token : tokens) text += decoder.push(token);
  return text + decoder.finish();
}

}  // namespace minillm
