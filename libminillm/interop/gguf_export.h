// A checkpoint as a GGUF file, which llama.cpp and the programs around it run.
//
// Architecture "llama", or that of the model's family (nn/model_family.h). Tensors have ggml's
// names; q and k of most families are stored interleaved (rope_order.h); gains and biases are F32
// in every file, and in a q8_0 file a matrix whose rows are not a multiple of 32 long is F16, as in
// gguf-py. A tied head is left out. Tokenizer and chat template are in the file.
//
// Source: llama.cpp's loader asks for these keys and value types (llama-arch.cpp,
// llama-model.cpp, llama-vocab.cpp).

#ifndef LIBMINILLM_INTEROP_GGUF_EXPORT_H_
#define LIBMINILLM_INTEROP_GGUF_EXPORT_H_

#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/interop/export_file.h"  // ExportEvents, ExportReport
#include "libminillm/interop/weight_encoding.h"

namespace minillm {

// Writes (or replaces) the file `path` in one step: all of it or nothing. The same checkpoint gives
// the same bytes. Needs little memory besides the tokenizer's. Throws Error, also for a tokenizer
// that is not BPE with byte fallback, and for numbers too large for the encoding.
ExportReport export_gguf(const Checkpoint& checkpoint, const std::string& path,
                         WeightEncoding encoding, const ExportEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_EXPORT_H_
