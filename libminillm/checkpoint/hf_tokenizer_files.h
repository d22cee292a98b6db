// The small files beside tokenizer.model that say how to use it: special tokens and the chat
// template. Writes ours, and reads those of others.

#ifndef LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
#define LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_

#include <map>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model_config.h"

namespace minillm {

// File name -> content: tokenizer.model, tokenizer_config.json, special_tokens_map.json and
// generation_config.json; and, if the tokenizer has a chat template, chat_template.jinja, whose
// text is also in tokenizer_config.json (programs differ in which one they read).
std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer);

// What a directory says about its tokenizer.
struct HfTokenizerFacts {
  bool add_bos = true, add_eos = false;
  std::string chat_template;  // jinja, from either file; may be empty
};
// Throws Error if a file is there but cannot be read.
HfTokenizerFacts read_hf_tokenizer_facts(const std::string& directory);

// The directory's tokenizer.model with the chat template that its other files hold, recognised by
// its jinja text. If the text is not a known one, the tokenizer has no template, and says so when
// one is needed. Throws Error.
Tokenizer load_hf_tokenizer(const std::string& directory);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_HF_TOKENIZER_FILES_H_
