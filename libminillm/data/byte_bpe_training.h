// Trains a byte-level BPE tokenizer.

#ifndef LIBMINILLM_DATA_BYTE_BPE_TRAINING_H_
#define LIBMINILLM_DATA_BYTE_BPE_TRAINING_H_

#include <string>

#include "libminillm/data/tokenizer.h"

namespace minillm {

// Learns merges of bytes from the words of the texts, cut as Llama 3 cuts them (digits in groups
// of up to three): the pair of neighbours that is the most frequent becomes the next token, of
// equally frequent ones that of the lower ids. The ids: <s>, </s>, <pad>, <|im_start|> and
// <|im_end|>, which are special tokens, the tool marks if asked for, the 256 bytes, and the merges;
// <s> stands before every text. Returns the text of a tokenizer.json: the same one for the same
// texts and options. Of the options, character_coverage says nothing here, where all characters
// are spelled in bytes. Throws Error, also if the text is too short for so many tokens.
std::string train_byte_bpe(const TextSource& texts, const TokenizerTrainingOptions& options);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_BYTE_BPE_TRAINING_H_
