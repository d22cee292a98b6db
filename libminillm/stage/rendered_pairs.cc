#include "libminillm/stage/rendered_pairs.h"

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/data/packing.h"
#include "libminillm/stage/conversation_dataset.h"  // report_too_long
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

std::string hash_of(const std::vector<RenderedPair>& pairs) {
  Sha256 hash;
  for (const RenderedPair& pair : pairs) {
    for (const std::vector<Token>* ids : {&pair.prompt, &pair.chosen, &pair.rejected}) {
      hash.update(fmt::format("{}\n", ids->size()));
      hash.update({reinterpret_cast<const char*>(ids->data()), ids->size() * sizeof(Token)});
    }
    if (pair.margin != 0) hash.update(fmt::format("{}\n", pair.margin));
  }
  return hash.hex();
}

}  // namespace

void leave_out_identical_pairs(const StageRun& run, Dataset<PreferencePair>& data) {
  Index pairs = data.reports.empty() ? std::ssize(data.records) : 0;
  auto identical = static_cast<Index>(std::erase_if(
      data.records, [](const PreferencePair& pair) { return pair.chosen == pair.rejected; }));
  for (const DatasetReport& report : data.reports) {
    const auto dropped = report.dropped.find(kIdenticalAnswers);
    if (dropped != report.dropped.end()) identical += dropped->second;
    pairs += report.rows;
  }
  run.say(check_identical_pairs(identical, pairs));
}

RenderedPairs render_pairs(const StageRun& run, const Dataset<PreferencePair>& data,
                           Index max_positions, const char* what) {
  RenderedPairs result{{}, data.hash};
  for (const PreferencePair& pair : data.records)
    result.pairs.push_back(render_pair(run.tokenizer(), pair));
  report_too_long(remove_too_long(result.pairs, max_positions), std::ssize(data.records), what,
                  data.reports, run.longest(), run.events());
  if (result.hash.empty()) result.hash = hash_of(result.pairs);
  return result;
}

Index count_tokens(const std::vector<RenderedPair>& pairs) {
  Index tokens = 0;
  for (const RenderedPair& pair : pairs)
    tokens += std::ssize(pair.prompt) + std::ssize(pair.chosen) + std::ssize(pair.rejected);
  return tokens;
}

}  // namespace minillm
