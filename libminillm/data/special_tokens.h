// SpecialTokens: what stands beside a sentencepiece model and says which of its tokens are special.

#ifndef LIBMINILLM_DATA_SPECIAL_TOKENS_H_
#define LIBMINILLM_DATA_SPECIAL_TOKENS_H_

#include <optional>
#include <string>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

struct AddedToken {
  Token id = 0;
  std::string text;
  bool special = true;  // a control token: no text produces it, and it decodes to nothing
};

// The one record of a model directory's special tokens (checkpoint/hf_tokenizer_files.h reads and
// writes it): used by prompts, by the test whether a text has ended, by what a stage saves, and by
// exports. Default: the model file alone says.
struct SpecialTokens {
  std::optional<Token> bos, eos, pad;  // nothing: as the model file says; -1: there is none
  // Ids that end a text: those that config.json lists, and generation_config.json.
  std::vector<Token> config_ends, generation_ends;
  // Tokens after the model's last piece, and pieces that are special whatever their type says.
  std::vector<AddedToken> added;
  bool add_bos = true, add_eos = false;  // around a text
  bool add_prefix_space = true;          // false: none before a text, whatever the model file says
  std::string generation;                // how to sample: generation_config.json's other members
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_SPECIAL_TOKENS_H_
