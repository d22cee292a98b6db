// Adapters in other programs' formats. (PEFT's is that of an adapter's checkpoint itself.)

#ifndef LIBMINILLM_INTEROP_ADAPTER_EXPORT_H_
#define LIBMINILLM_INTEROP_ADAPTER_EXPORT_H_

#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/interop/export_file.h"  // ExportEvents, ExportReport

namespace minillm {

// Writes the adapter as llama.cpp reads it beside a model: F32, the scale as
// adapter.lora.alpha over each matrix's rank, and where that cannot say it, in B. Rows of queries
// and keys are in the order of export_gguf. Throws Error unless the checkpoint is an adapter, and
// if it replaces rows of the embedding or has a score head, which the format has no place for.
ExportReport export_gguf_adapter(const Checkpoint& checkpoint, const std::string& path,
                                 const ExportEvents& events = {});

// Writes the directory `path` as mlx-lm reads it: adapter_config.json and adapters.safetensors,
// both factors turned, one rank and one scale. Throws Error as export_gguf_adapter does, and if
// ranks or targets differ.
ExportReport export_mlx_adapter(const Checkpoint& checkpoint, const std::string& path);

// Of the numbers in matrices that have an update: how many, and how many would not move if the
// merged weights were rounded to bfloat16, where an update below 2^-9 of its weight vanishes.
struct MergeLoss {
  Index numbers = 0, unmoved_in_bfloat16 = 0;
};
MergeLoss merge_loss(const Model& adapted, const Model& merged);

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_ADAPTER_EXPORT_H_
