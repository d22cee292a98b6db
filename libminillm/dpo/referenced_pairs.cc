#include "libminillm/dpo/referenced_pairs.h"

#include "libminillm/core/sha256.h"
#include "libminillm/dpo/reference.h"
#include "libminillm/stage/rendered_pairs.h"

namespace minillm {
namespace {

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
                                       {run.preparation("reference"), run.ranks()});
  return {std::move(mismatched), std::move(reference), run.model().virtual_tokens()};
}

// New virtual tokens change the model before any step.
std::string starting_hash(StageRun& run) {
  const std::string& hash = run.start().weights_hash;
  const Model& model = run.model();
  if (model.virtual_tokens() == 0) return hash;
  const auto values = std::as_bytes(model.adapter()->parameters());
  return sha256(hash + std::string(reinterpret_cast<const char*>(values.data()), values.size()));
}

}  // namespace

ReferencedPairs refer(StageRun& run, Dataset<PreferencePair> data, const std::string& part,
                      const PairLoss& loss, const TrainConfig& config) {
  const bool single = loss.judges_single_answers;
  leave_out_identical_pairs(run, data);
  if (single) divide_pairs(data.records);
  RenderedPairs rendered = render_pairs(run, data, run.longest(), single ? "answers" : "pairs");
  ReferencedPairs result{std::move(rendered.pairs), {}, std::move(rendered.hash), {}};
  if (!loss.needs_reference) {
    result.reference.resize(result.pairs.size());
    return result;
  }
  const std::string key =
      reference_key(starting_hash(run), result.hash, run.tokenizer(), config.precision);
  result.reference = reference_log_probs(run.path("reference_" + part + ".json"), key, run.model(),
                                         result.pairs, {run.preparation("reference"), run.ranks()});
  if (single)
    result.mismatched = refer_mismatched(run, result.pairs, "mismatched_" + part + ".json", key);
  return result;
}

}  // namespace minillm
