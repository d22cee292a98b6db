#include "libminillm/dpo/referenced_pairs.h"

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/dpo/reference.h"
#include "libminillm/stage/conversation_dataset.h"
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
  }
  return hash.hex();
}

// Leaves out the pairs that teach nothing, as the reader has done with those of files, and says
// what share they are; throws Error if they are all.
std::string leave_out_identical_pairs(Dataset<PreferencePair>& data) {
  Index pairs = data.reports.empty() ? std::ssize(data.records) : 0;
  auto identical = static_cast<Index>(std::erase_if(
      data.records, [](const PreferencePair& pair) { return pair.chosen == pair.rejected; }));
  for (const DatasetReport& report : data.reports) {
    const auto dropped = report.dropped.find(kIdenticalAnswers);
    if (dropped != report.dropped.end()) identical += dropped->second;
    pairs += report.rows;
  }
  return check_identical_pairs(identical, pairs);
}

// Every answer by itself.
void divide_pairs(std::vector<PreferencePair>& pairs) {
  std::vector<PreferencePair> answers;
  for (PreferencePair& pair : pairs) {
    if (!pair.chosen.empty()) answers.push_back({pair.prompt, std::move(pair.chosen), ""});
    if (!pair.rejected.empty()) answers.push_back({std::move(pair.prompt), "", pair.rejected});
  }
  pairs = std::move(answers);
}

// The answers of others to every prompt, as the reference sees them.
MismatchedAnswers refer_mismatched(StageRun& run, std::span<const RenderedPair> pairs,
                                   const std::string& cache, const std::string& key) {
  std::vector<RenderedPair> mismatched = mismatch(pairs, run.longest());
  if (mismatched.empty())
    run.say("warning: no answer fits to another prompt: how far the policy has moved counts as 0");
  auto reference = reference_log_probs(run.path(cache), key, run.model(), mismatched,
                                       run.preparation("reference"));
  return {std::move(mismatched), std::move(reference)};
}

}  // namespace

ReferencedPairs refer(StageRun& run, Dataset<PreferencePair> data, const std::string& part,
                      const PairLoss& loss, const TrainConfig& config) {
  const bool single = loss.judges_single_answers;
  run.say(leave_out_identical_pairs(data));
  if (single) divide_pairs(data.records);
  ReferencedPairs result{{}, {}, data.hash, {}};
  for (const PreferencePair& pair : data.records)
    result.pairs.push_back(render_pair(run.tokenizer(), pair));
  report_too_long(remove_too_long(result.pairs, run.longest()), std::ssize(data.records),
                  single ? "answers" : "pairs", data.reports, run.longest(), run.events());
  if (result.hash.empty()) result.hash = hash_of(result.pairs);
  if (!loss.needs_reference) {
    result.reference.resize(result.pairs.size());
    return result;
  }
  const std::string key =
      reference_key(run.start().weights_hash, result.hash, run.tokenizer(), config.precision);
  result.reference = reference_log_probs(run.path("reference_" + part + ".json"), key, run.model(),
                                         result.pairs, run.preparation("reference"));
  if (single)
    result.mismatched = refer_mismatched(run, result.pairs, "mismatched_" + part + ".json", key);
  return result;
}

}  // namespace minillm
