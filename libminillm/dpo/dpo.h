// Direct preference optimization: a chat model learns to choose among answers that are all
// plausible.
//
//   data       prompts with a chosen and a rejected answer
//   objective  raise the chosen answer above the rejected one, relative to the frozen model that
//              the run started from (objectives/pair_losses.h); plus an SFT term on the chosen
//              answer, and replayed SFT rows
//   result     an aligned model
//
// Method: Rafailov et al. 2023, arXiv:2305.18290. The SFT term: Liu et al. 2024, arXiv:2405.16436;
// Pang et al. 2024, arXiv:2404.19733.
//
// DPO only asks that the chosen answer gain on the rejected one. Both may fall, and in a small
// model they do: the answers share most of their words, so pushing the rejected one down drags the
// chosen one along. With neither the SFT term nor replay, a model of this size collapses within two
// hundred steps (it answers wrongly, then in gibberish) while its preference accuracy stays
// perfect. So both are on by default, the mean change of the chosen answers' log-probabilities is
// logged ("logps/chosen_shift"), and a run warns when it falls far.

#ifndef LIBMINILLM_DPO_DPO_H_
#define LIBMINILLM_DPO_DPO_H_

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/data/record.h"          // PreferencePair
#include "libminillm/objectives/pair_losses.h"
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct DpoConfig {
  TrainConfig train;  // train.batch_tokens is the budget for pairs; replay comes on top
  DataConfig data;
  PairLossConfig loss;
  double sft_weight = 1;        // of the SFT term: mean negative log-prob per chosen token
  double replay_weight = 1;     // of the replayed rows: mean negative log-prob per supervised token
  int64_t replay_tokens = 512;  // rows of replayed conversations packed into every micro-batch
};
void list_fields(ConfigFields& fields, DpoConfig& config);

// Trains options.init_from, which is also the reference, on preference pairs. options.replay_files
// are conversations (SFT data). Throws Error; core/error.h lists the exit codes.
TrainOutcome dpo(DpoConfig config, const StageOptions& options, const TrainerEvents& events);

// Rows in memory: made by the program, or read by read_preferences.
struct DpoData {
  Dataset<PreferencePair> train, held_out;
  Dataset<Conversation> replay;
};
// Trains `model` in place; as it comes, it is the reference. Writes nothing without options.out.
TrainOutcome dpo(DpoConfig config, DpoData data, StageModel& model,
                 const StageOptions& options = {}, const TrainerEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_DPO_DPO_H_
