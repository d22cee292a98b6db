// A GGUF file becomes a model with its tokenizer: the way back from gguf_export.h, and the way in
// for what other programs converted.
//
// Architecture "llama" (gguf_architecture.h), weights F32, F16, BF16 or Q8_0, which are exact
// numbers of 32 bits. The rows of q and k go back to halves (rope_order.h), and the divisors of
// Llama 3's frequencies to its parameters (gguf_rope.h). Every number is checked against its range
// and every tensor against its shape before anything is allocated; a tensor or a key that would
// change what the model computes, and that no model of ours has, is refused by name.
//
// Source: llama.cpp's loader (llama-model.cpp, llama-vocab.cpp).

#ifndef LIBMINILLM_INTEROP_GGUF_IMPORT_H_
#define LIBMINILLM_INTEROP_GGUF_IMPORT_H_

#include <optional>
#include <string>

#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"

namespace minillm {

struct GgufModel {
  Model model;
  std::optional<Tokenizer> tokenizer;  // nothing: the file says that there is none
};
// The model of the file `path`. Its tokenizer has the file's ids, special tokens and chat template.
// Throws Error `file '<path>': ...` naming the key or the tensor, what was expected and what was
// found: another architecture, numbers of another type (Q4_K, ...), RoPE scaling that is neither
// linear nor Llama 3's, a tokenizer that is no BPE.
GgufModel import_gguf(const std::string& path);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_IMPORT_H_
