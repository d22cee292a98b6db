// A vocabulary of another program as the sentencepiece model that splits texts the same way.
// Internal to the imports of this directory.

#ifndef LIBMINILLM_INTEROP_SENTENCEPIECE_WRITER_H_
#define LIBMINILLM_INTEROP_SENTENCEPIECE_WRITER_H_

#include <span>
#include <string>

#include "libminillm/data/sentencepiece_check.h"  // SentencePieceInfo

namespace minillm {

// The bytes of a BPE model of these pieces, by id: byte fallback if there are byte pieces, no
// normalisation; `add_dummy_prefix`: a space in front of every text. Throws Error `tokenizer
// '<name>': ...` for pieces that are no vocabulary (data/sentencepiece_check.h).
std::string sentencepiece_model(std::span<const SentencePieceInfo> pieces, bool add_dummy_prefix,
                                const std::string& name);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_SENTENCEPIECE_WRITER_H_
