// TokenModel: what a Tokenizer gets its ids from, a sentencepiece model or a tokenizer.json.
// Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_TOKEN_MODEL_H_
#define LIBMINILLM_DATA_TOKEN_MODEL_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/data/special_tokens.h"

namespace minillm {

struct TokenModel {
  virtual ~TokenModel() = default;
  // Ids of valid UTF-8, never control ids; `continuing`: of a text that goes on from another.
  // Safe to call from several threads.
  virtual std::vector<Token> encode(std::string_view text, bool continuing) const = 0;

  std::vector<SentencePieceInfo> pieces;  // by id: the file's own, then those added to them
  size_t own_pieces = 0;                  // of the file
  std::vector<std::string> token_bytes;   // what each adds to a text
  bool reinterpreted = false;             // the special tokens change what the file says of its own
  bool adds_leading_space = false;        // before a text, and decoding takes it away again
  Token bos = -1, eos = -1;               // as the file itself says

  // Makes pieces that are special control pieces, and adds the added tokens. Returns the ids that
  // were not control pieces before.
  std::set<size_t> take_special(const SpecialTokens& special);
};

std::unique_ptr<TokenModel> load_sentencepiece(const std::string& bytes, const std::string& name,
                                               const SpecialTokens& special);
std::unique_ptr<TokenModel> load_tokenizer_json(const std::string& bytes, const std::string& name,
                                                const SpecialTokens& special);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOKEN_MODEL_H_
