// llama2.c's files, read: a model (legacy or version 1) and its tokenizer.bin become a checkpoint.
//
// Neither file has a checksum, and run.c trusts both; here every number is checked against its
// range, and the sizes against the files', before anything is allocated.

#ifndef LIBMINILLM_INTEROP_LLAMA2C_IMPORT_H_
#define LIBMINILLM_INTEROP_LLAMA2C_IMPORT_H_

#include <string>
#include <string_view>

#include "libminillm/nn/model.h"

namespace minillm {

// The model file `path`, float weights: version 0 ("legacy") or 1, which begins with "ak42". What
// the file does not say is as in run.c: theta 10000, epsilon 1e-5. Throws Error `file '<path>':
// ...` naming a number that is out of range, a size that does not fit, a weight that is not finite,
// or version 2 (quantised), which cannot be represented.
Model import_llama2c(const std::string& path);

// The bytes of a sentencepiece model that splits texts as run.c does with this tokenizer.bin: BPE,
// byte fallback, a space in front of every text, no normalisation. `bytes` holds a score and a text
// for each of `vocab_size` ids: <unk>, <s>, </s>, the 256 bytes, then pieces. Throws Error
// `tokenizer '<name>': ...`.
std::string import_llama2c_tokenizer(std::string_view bytes, Index vocab_size,
                                     const std::string& name);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_LLAMA2C_IMPORT_H_
