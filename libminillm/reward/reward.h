// The reward model: a model learns from pairs which answer people prefer, as a number for any
// answer. Rejection sampling ranks by it, reinforcement learning maximises it.
//
//   data       preference pairs
//   model      the start's trunk with a score head in place of the language model's: one number,
//              read off the answer's last token; the head begins at zero
//   objective  Bradley-Terry (objectives/bradley_terry.h)
//   result     LlamaForSequenceClassification with one label
//
// It has seen only what its pairs compare: where no pair opposes a true answer to a false one, it
// does not know what is true (doc/alignment.md).
//
// Method: Ouyang et al. 2022, arXiv:2203.02155, step 2; Stiennon et al. 2020, arXiv:2009.01325.

#ifndef LIBMINILLM_REWARD_REWARD_H_
#define LIBMINILLM_REWARD_REWARD_H_

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/data/record.h"          // PreferencePair
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct RewardConfig {
  TrainConfig train;
  DataConfig data;
  double center_weight = 0.01;  // lambda: how strongly the mean score is held at 0
  double margin_weight = 1;     // times a row's own margin
};
void list_fields(ConfigFields& fields, RewardConfig& config);

// Trains options.init_from, a chat model or a reward model, on preference pairs. Throws Error;
// core/error.h lists the exit codes.
TrainOutcome train_reward(RewardConfig config, const StageOptions& options,
                          const TrainerEvents& events);

// Rows in memory: made by the program, or read by read_preferences.
struct RewardData {
  Dataset<PreferencePair> train, held_out;
};
// Trains `model`, which has a score head alone (with_heads in stage/stage.h), in place. Without
// options.out nothing is written.
TrainOutcome train_reward(RewardConfig config, RewardData data, StageModel& model,
                          const StageOptions& options = {}, const TrainerEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_REWARD_REWARD_H_
