// The small files that tell other programs how to use tokenizer.model: special tokens and the chat
// template.

#ifndef LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
#define LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_

#include <map>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// File name -> content: tokenizer.model, tokenizer_config.json, special_tokens_map.json and
// generation_config.json; and, if the tokenizer has chat markers, chat_template.jinja, whose text
// stands in tokenizer_config.json, too (programs differ in which one they read).
std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
