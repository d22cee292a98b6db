// Samples whole documents, block by block, so that a corpus of any length needs the memory of one.

#include "libminillm/generate/sample_documents.h"

#include <algorithm>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/generate/generator.h"

namespace minillm {
namespace {

// Many to a stream: where a block ends, streams run empty.
constexpr int64_t kDocumentsAtOnce = 512;

bool is_cut_off(const Generation& generation) {
  return generation.reason == StopReason::kMaxTokens ||
         generation.reason == StopReason::kContextFull;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

}  // namespace

SampledDocuments sample_documents(const Model& model, const Tokenizer& tokenizer,
                                  const DocumentSampling& sampling,
                                  const std::function<void(const std::string& text)>& visit,
                                  const DocumentSamplingEvents& events) {
  MINILLM_CHECK_USAGE(sampling.documents > 0, "documents: expected 1 or more, got {}",
                      sampling.documents);
  // As data/token_shard_writer.cc stores documents.
  const Token start = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
  MINILLM_CHECK(start >= 0, "tokenizer: it has no token that starts a document");
  Generator generator(model, tokenizer);
  GenerationConfig config = sampling.generation;
  SampledDocuments counts;
  for (int64_t begin = 0; begin < sampling.documents; begin += kDocumentsAtOnce) {
    const int64_t count = std::min(kDocumentsAtOnce, sampling.documents - begin);
    const std::vector<std::vector<Token>> starts(static_cast<size_t>(count), {start});
    config.stream = sampling.generation.stream + static_cast<uint64_t>(begin);
    for (const Generation& document : generator.generate_all(
             starts, config, sampling.max_streams, {}, {.stop_requested = events.stop_requested})) {
      if (document.reason == StopReason::kInterrupted)
        throw Error("documents: interrupted", ExitCode::kInterrupted);
      if (is_blank(document.text)) {
        ++counts.empty;
      } else if (is_cut_off(document) && !sampling.keep_unfinished) {
        ++counts.unfinished;
      } else {
        ++counts.kept;
        counts.tokens += std::ssize(document.tokens);
        visit(document.text);
      }
    }
    report_progress(events.on_progress, static_cast<double>(begin + count),
                    static_cast<double>(sampling.documents));
  }
  return counts;
}

}  // namespace minillm
