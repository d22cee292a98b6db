#include "tools/documents.h"

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/generate/sample_documents.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

std::string left_out(const SampledDocuments& counts) {
  std::string text;
  if (counts.unfinished > 0)
    text += fmt::format("{} that did not end by themselves (--keep-unfinished keeps them)",
                        counts.unfinished);
  if (counts.empty > 0)
    text += fmt::format("{}{} empty ones", text.empty() ? "" : ", ", counts.empty);
  return text;
}

}  // namespace

void write_documents(const LoadedModel& loaded, const GenerationConfig& config,
                     const SampleOptions& sampling) {
  catch_stop_signals("\nstopping: nothing is written\n");
  FileTransaction file(sampling.out, FileTransaction::Of::kUser);
  WorkBar bar;
  const SampledDocuments counts = sample_documents(
      loaded.model, loaded.tokenizer,
      {.documents = sampling.samples,
       .generation = config,
       .keep_unfinished = sampling.keep_unfinished},
      [&](const std::string& text) {
        file.write(nlohmann::ordered_json({{"text", text}}).dump() + "\n");
      },
      {.on_progress = [&](double done, double total) { bar.draw("documents", done, total); },
       .stop_requested = stop_requested});
  bar.clear();
  MINILLM_CHECK(counts.kept > 0, "documents: nothing was written: left out: {}", left_out(counts));
  file.commit();
  spdlog::info("{}: {} documents, {} tokens{}", sampling.out, counts.kept, counts.tokens,
               left_out(counts).empty() ? "" : ", left out: " + left_out(counts));
}

}  // namespace minillm
