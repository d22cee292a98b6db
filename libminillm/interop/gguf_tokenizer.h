// The tokenizer and the chat template of a GGUF file. Internal to gguf_import.cc.

#ifndef LIBMINILLM_INTEROP_GGUF_TOKENIZER_H_
#define LIBMINILLM_INTEROP_GGUF_TOKENIZER_H_

#include <optional>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/interop/gguf_reader.h"

namespace minillm {

// `tokenizer.ggml.model` tells the kind: "llama", pieces and scores as sentencepiece's BPE has
// them; "gpt2", byte-level BPE, which becomes a tokenizer.json; "none" (nothing is returned). What
// the file does not say is as llama.cpp has it for that kind. Special ids outside the vocabulary
// are left over from somewhere, and ignored. Throws Error for other kinds, by name, and for pieces
// that are no vocabulary.
std::optional<Tokenizer> read_gguf_tokenizer(const GgufFile& file, const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_TOKENIZER_H_
