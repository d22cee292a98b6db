// The small files beside a tokenizer's file, tokenizer.model or tokenizer.json, that say how to use
// it: special tokens and the chat template. Writes ours, and reads those of others.

#ifndef LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
#define LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_

#include <limits>
#include <map>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// File name -> content: the tokenizer's file, tokenizer_config.json, special_tokens_map.json and
// generation_config.json; and, if the tokenizer has a chat template, chat_template.jinja, whose
// text is also in tokenizer_config.json (programs differ in which one they read).
std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer);

// The jinja text of a directory's chat template, which may be empty: chat_template.jinja, or that
// of tokenizer_config.json (of several, the one called "default"). Throws Error if a file is there
// but cannot be read.
std::string read_chat_template(const std::string& directory);

// What a directory says of its special tokens. `pieces`: those of its tokenizer's file. `own`: what
// that file says itself, which holds where the others say nothing.
//
//   bos, eos, pad   tokenizer_config.json or special_tokens_map.json, by their texts; null: none
// ends            eos_token_id of config.json and of generation_config.json: one, several or null.
//                   As in transformers, the second counts alone where it says something
//   added           tokenizer_config.json's added_tokens_decoder, added_tokens.json
//   add_bos, ...    tokenizer_config.json
//
// Ids outside the model's vocabulary are left over from somewhere, and ignored. Throws Error if a
// file cannot be read.
SpecialTokens read_special_tokens(const std::string& directory,
                                  const std::vector<SentencePieceInfo>& pieces,
                                  const SpecialTokens& own = {});

// The tokenizer with the chat template that a jinja text, of `source`, writes. If that is none of
// ours, it has no template, and says so when one is needed; the text is kept for what is written.
Tokenizer with_jinja(const Tokenizer& tokenizer, const std::string& jinja,
                     const std::string& source);

// The path of the directory's tokenizer.model; if it has none, of its tokenizer.json; if it has
// neither, "".
std::string tokenizer_file(const std::string& directory);

// The directory's tokenizer (of two, tokenizer.model) with its special tokens, and with the chat
// template that its other files hold, recognised by what its jinja text writes. If that is none of
// ours, the tokenizer has no template, and says so when one is needed. Throws Error, also if it has
// more than `max_pieces` pieces.
Tokenizer load_hf_tokenizer(const std::string& directory,
                            Index max_pieces = std::numeric_limits<Index>::max());

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
