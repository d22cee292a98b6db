// A checkpoint as a Hugging Face directory for others: weights, config and tokenizer, without
// optimizer, training state, lineage and manifest.

#ifndef LIBMINILLM_INTEROP_HF_EXPORT_H_
#define LIBMINILLM_INTEROP_HF_EXPORT_H_

#include <string>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/interop/export_file.h"  // ExportEvents, ExportReport
#include "libminillm/interop/weight_encoding.h"

namespace minillm {

// Writes the directory `path` in one step: all of it or nothing. One model.safetensors, whatever
// the checkpoint has; config.json is the checkpoint's own except for `torch_dtype`; the tokenizer's
// files are copied. REQUIRES an encoding other than q8_0. Throws Error, also if `path` exists.
ExportReport export_hf(const Checkpoint& checkpoint, const std::string& path,
                       WeightEncoding encoding, const ExportEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_HF_EXPORT_H_
