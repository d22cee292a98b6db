// Documents that minillm-generate writes without a prompt, as a corpus.

#ifndef TOOLS_DOCUMENTS_H_
#define TOOLS_DOCUMENTS_H_

#include "tools/samples.h"

namespace minillm {

// Writes sampling.samples documents, without those that did not end by themselves (unless
// sampling.keep_unfinished), {"text": ...} a line, to the file, which appears when it is complete.
// Throws Error, also where nothing is left, and kInterrupted.
void write_documents(const LoadedModel& loaded, const GenerationConfig& config,
                     const SampleOptions& sampling);

}  // namespace minillm

#endif  // TOOLS_DOCUMENTS_H_
