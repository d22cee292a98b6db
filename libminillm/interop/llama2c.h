// llama2.c's files: a model for run.c (the version-0 layout, which its `run` reads) and the
// tokenizer.bin beside it. Format: https://github.com/karpathy/llama2.c (export.py, run.c).
//
//   7 x i32  Llama2cHeader
//   f32      the parts of llama2c_layout, one after another
//
// All little-endian; no magic number, no checksum.

#ifndef LIBMINILLM_INTEROP_LLAMA2C_H_
#define LIBMINILLM_INTEROP_LLAMA2C_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/interop/export_file.h"  // ExportEvents, ExportReport

namespace minillm {

// What is a constant in run.c, not a field of its files.
inline constexpr double kLlama2cTheta = 10000, kLlama2cEpsilon = 1e-5;

// The seven numbers at the start of the file, in this order.
struct Llama2cHeader {
  static constexpr size_t kBytes = 28;
  int32_t dim = 0;         // C
  int32_t hidden_dim = 0;  // F
  int32_t n_layers = 0;    // L
  int32_t n_heads = 0;     // H
  int32_t n_kv_heads = 0;  // K
  int32_t vocab_size = 0;  // V; NEGATIVE if the head is a matrix of its own
  int32_t seq_len = 0;     // T, the longest sequence
  bool operator==(const Llama2cHeader&) const = default;
};

// A part of the file, in the file's order.
struct Llama2cPart {
  std::string name;          // Hugging Face's; empty for the two tables below
  Index rows = 0, cols = 0;  // a gain is one row
  bool interleaved = false;  // q and k: rope_order.h
};
// The tensors of all layers are grouped by kind. After the last norm there are two tables, cos and
// sin of position x frequency ([T, D/2] each), which readers skip.
std::vector<Llama2cPart> llama2c_layout(const ModelConfig& config);

// Writes (or replaces) the model `path` in one step. Throws Error, naming the key, for what run.c
// cannot do: its epsilon is 1e-5, its RoPE's theta is 10000, and it multiplies sizes in 32 bits.
ExportReport export_llama2c(const Checkpoint& checkpoint, const std::string& path,
                            const ExportEvents& events = {});

// The bytes of tokenizer.bin: u32 longest piece, then {f32 score, u32 length, bytes} for each.
// Throws Error `<subject>: ...` unless run.c would make the same ids: BPE with a space in front of
// every text, ids 1 for <s>, 2 for </s> and b + 3 for byte b, as in Llama's own. (The tokenizers
// that this library trains are different: they force no space, and have ids for chat markers.)
std::string llama2c_tokenizer(const Tokenizer& tokenizer, const std::string& subject);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_LLAMA2C_H_
