// The small files beside tokenizer.model that tell how to use it: special tokens and the chat
// template. Ours, and what those of others say.

#ifndef LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
#define LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_

#include <map>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// File name -> content: tokenizer.model, tokenizer_config.json, special_tokens_map.json and
// generation_config.json; and, if the tokenizer has a chat template, chat_template.jinja, whose
// text stands in tokenizer_config.json, too (programs differ in which one they read).
std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer);

// What a directory says of its tokenizer.
struct HfTokenizerFacts {
  bool add_bos = true, add_eos = false;
  std::string
      chat_template;  // jinja, of tokenizer_config.json or chat_template.jinja; may be empty
};
// Throws Error if a file is there but cannot be read.
HfTokenizerFacts read_hf_tokenizer_facts(const std::string& directory);

// The directory's tokenizer.model with the chat template that its other files name: one of ours by
// its jinja text. With a text that is not known it has no template, and says so when one is needed.
// Throws Error.
Tokenizer load_hf_tokenizer(const std::string& directory);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
