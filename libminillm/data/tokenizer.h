// Tokenizer: text <-> token ids, with a sentencepiece BPE model or a tokenizer.json.
//
// The chat markers <|im_start|> and <|im_end|> are CONTROL pieces: encode() can never produce them,
// whatever the text says, so no user text can forge a turn. They are inserted by id, as the
// tokenizer's chat template says (data/chat_template.h).

#ifndef LIBMINILLM_DATA_TOKENIZER_H_
#define LIBMINILLM_DATA_TOKENIZER_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/sentencepiece_check.h"  // SentencePieceInfo
#include "libminillm/data/special_tokens.h"

namespace minillm {

struct ChatTemplate;

inline constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;  // of a tokenizer's file
inline constexpr const char* kSentencepieceName = "tokenizer.model";
inline constexpr const char* kTokenizerJsonName = "tokenizer.json";

class Tokenizer {
 public:
  // The bytes of a sentencepiece .model file or of a tokenizer.json (data/tokenizer_json.h says
  // which of those). Checks a protobuf before sentencepiece sees it (sizes, piece count and length,
  // UTF-8, no NUL, no duplicates, finite scores), because sentencepiece 0.1.97 trusts it. Errors
  // call it `name`. Throws Error.
  static Tokenizer from_bytes(std::string bytes, const std::string& name,
                              SpecialTokens special = {});
  static Tokenizer load(const std::string& path, SpecialTokens special = {});

  // The bytes of the file, as stored in every checkpoint, their SHA-256, and what the file is
  // called there: tokenizer.model or tokenizer.json.
  const std::string& bytes() const;
  const std::string& hash() const;
  std::string file_name() const;

  Index vocab_size() const;  // the model's pieces, and the tokens added to them
  const std::vector<SentencePieceInfo>& pieces() const;
  const SpecialTokens& special() const;  // as it was given
  bool adds_bos() const;                 // in front of a text
  // All that ends a text: eos, the end of an answer, and what the model's directory lists.
  std::vector<Token> end_tokens() const;
  Token unk() const;
  // As SpecialTokens has it, or <s> or <|begin_of_text|>; -1 if there is none; likewise below.
  Token bos() const;
  Token eos() const;  // </s> or <|end_of_text|>
  Token pad() const;
  Token control(std::string_view piece) const;  // the control piece of this text
  bool is_control(Token token) const;
  // The piece as stored ("▁the", "<0x0A>"), for display. Throws Error if out of range.
  std::string piece(Token token) const;

  // Ids of the text: no BOS, no EOS, never a control id. With models from train_tokenizer,
  // decode(encode(x)) == x for valid UTF-8 (a model made elsewhere may normalise the text first).
  // Throws Error on invalid UTF-8, saying at which byte. Safe to call from several threads.
  std::vector<Token> encode(std::string_view text) const;
  // Ids of a text that continues other text: no space is put in front of it or taken away, which
  // models made elsewhere may do to a whole text.
  std::vector<Token> encode_continuing(std::string_view text) const;
  // Control ids decode to nothing, bytes that are not UTF-8 to U+FFFD. Throws Error on ids
  // outside the vocabulary.
  std::string decode(std::span<const Token> tokens) const;
  // What the token adds to a text, possibly part of a character; nothing for control ids.
  const std::string& token_bytes(Token token) const;
  // Whether the model puts a space before every text, which decoding takes away again. Ours do not.
  bool adds_leading_space() const;

  // How conversations are written: at first, with the library's own template if the model has its
  // control pieces; nullptr if no template is known.
  const ChatTemplate* chat_template() const { return chat_template_; }
  // What ends an answer; -1 without a template.
  Token answer_end() const;
  // The same tokenizer with another template, which must outlive it. Throws Error naming a control
  // piece that the template needs and the model lacks.
  Tokenizer with_chat_template(const ChatTemplate& chat_template) const;
  // The same without one; `problem` tells whoever needs one why. `jinja`: the text of a template
  // that is not known here, kept for other programs.
  Tokenizer without_chat_template(std::string problem, std::string jinja = "") const;
  // The text for other programs: the template's, or one that is not known here; may be empty.
  const std::string& jinja() const;
  const std::string& chat_template_problem() const { return problem_; }

 private:
  struct State;
  std::vector<Token> encode_with(bool continuing, std::string_view text) const;

  std::shared_ptr<const State> state_;  // immutable, so copies share it
  const ChatTemplate* chat_template_ = nullptr;
  std::string problem_;
  std::string unknown_jinja_;
};

// Decodes token by token, holding bytes back until they form whole UTF-8 characters.
class StreamDecoder {
 public:
  // `continues`: the tokens go on from others, so that the first one's space is a space of the
  // text, not the one that the tokenizer puts in front of a text.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool continues = false)
      : tokenizer_(tokenizer), continues_(continues), started_(continues) {}
  std::string push(Token token);  // the text that became certain, possibly empty
  std::string finish();           // what is left; an incomplete character becomes U+FFFD

 private:
  Tokenizer tokenizer_;
  std::string held_;  // the beginning of a character
  bool continues_;
  bool started_;  // whether any text has come
};

struct TokenizerTrainingOptions {
  int64_t vocab_size = 2048;
  double character_coverage = 1.0;  // rarer characters are spelled in bytes
  bool tool_marks = false;          // control pieces for tools, too (data/tool_format.h)
};
// Calls back with the next text until it returns false. Long texts are split at line ends and then
// at spaces (sentencepiece drops lines over max_sentence_length silently; we never do).
using TextSource = std::function<bool(std::string& text)>;
// Trains BPE: byte fallback, identity normaliser, no dummy prefix, digits split, control ids
// 0 <unk>, 1 <s>, 2 </s>, 3 <pad>, 4 <|im_start|>, 5 <|im_end|>; and, if asked for, 6 <tool_call>,
// 7 </tool_call>, 8 <tool_response>, 9 </tool_response>. Returns the bytes of the .model file: the
// same ones for the same text and options. Throws Error, even where sentencepiece would exit.
std::string train_tokenizer(const TextSource& texts, const TokenizerTrainingOptions& options);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOKENIZER_H_
