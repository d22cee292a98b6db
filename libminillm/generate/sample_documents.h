// Documents that a model writes by itself: a corpus of what it has learned, to be measured or to be
// trained on.

#ifndef LIBMINILLM_GENERATE_SAMPLE_DOCUMENTS_H_
#define LIBMINILLM_GENERATE_SAMPLE_DOCUMENTS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "libminillm/core/progress.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/generation.h"
#include "libminillm/nn/model.h"

namespace minillm {

struct DocumentSampling {
  int64_t documents = 1;  // to sample
  // Document i draws from Rng(seed, stream + i).
  GenerationConfig generation;
  // Documents that max_tokens or the context cut off: training puts an end token after each text,
  // so a model that reads them learns to end in the middle of a sentence.
  bool keep_unfinished = false;
  Index max_streams = 64;  // documents decoded together; changes no text
};

struct DocumentSamplingEvents {
  ProgressFunction on_progress = {};  // in documents
  std::function<bool()> stop_requested = {};
};

// What came of it: kept + unfinished + empty documents were sampled.
struct SampledDocuments {
  int64_t kept = 0;
  int64_t unfinished = 0;  // left out: they did not end by themselves
  int64_t empty = 0;       // left out: of white space, which is no document
  int64_t tokens = 0;      // of those kept, without start and end token

  bool operator==(const SampledDocuments&) const = default;
};

// Samples documents as a model is taught them: from the document start token alone until an end
// token, a stop string or `max_tokens`. Calls `visit` with the text of each that is kept, in the
// order of their streams: the same texts for the same seed, whatever `max_streams` and the number
// of threads. Throws Error if the tokenizer has no start token, as Generator does, and
// kInterrupted where a stop was requested.
SampledDocuments sample_documents(const Model& model, const Tokenizer& tokenizer,
                                  const DocumentSampling& sampling,
                                  const std::function<void(const std::string& text)>& visit,
                                  const DocumentSamplingEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_SAMPLE_DOCUMENTS_H_
