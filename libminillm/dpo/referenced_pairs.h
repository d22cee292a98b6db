// Preference data as DPO and its kin train on it: rendered, with what the reference model thinks.

#ifndef LIBMINILLM_DPO_REFERENCED_PAIRS_H_
#define LIBMINILLM_DPO_REFERENCED_PAIRS_H_

#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/dpo/mismatched.h"
#include "libminillm/objectives/pair_losses.h"
#include "libminillm/stage/stage_run.h"
#include "libminillm/train/train_config.h"

namespace minillm {

// Pairs, with what the reference thinks of them.
struct ReferencedPairs {
  std::vector<RenderedPair> pairs;
  std::vector<PairLogProbs> reference;
  std::string hash;              // SHA-256: the data's (over the files), or over what was rendered
  MismatchedAnswers mismatched;  // where the loss judges single answers
};

// Renders the pairs; leaves out identical and too long ones, and says so. Of a loss that judges
// single answers every answer is a pair of its own. The reference, run.model() as it is now, is
// asked once: its answers are cached in the run directory, in files named after `part`, "train" or
// "eval".
ReferencedPairs refer(StageRun& run, Dataset<PreferencePair> data, const std::string& part,
                      const PairLoss& loss, const TrainConfig& config);

}  // namespace minillm

#endif  // LIBMINILLM_DPO_REFERENCED_PAIRS_H_
