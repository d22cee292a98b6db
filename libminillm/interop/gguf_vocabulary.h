// A checkpoint's tokenizer and chat template as GGUF metadata. Internal to gguf_export.cc.

#ifndef LIBMINILLM_INTEROP_GGUF_VOCABULARY_H_
#define LIBMINILLM_INTEROP_GGUF_VOCABULARY_H_

#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/interop/gguf_writer.h"

namespace minillm {

// Adds the keys `tokenizer.*`. Other programs merge the pieces by their scores as sentencepiece's
// BPE does, but normalise nothing: if that gives other ids, a line is added to `warnings`. Throws
// Error for a tokenizer that is not BPE with byte fallback.
void add_vocabulary(const Checkpoint& checkpoint, GgufHeader& header,
                    std::vector<std::string>& warnings);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_GGUF_VOCABULARY_H_
