// The steps that cells are made of: the recipe and the files of each, and how one is trained. Which
// step another begins from, and where both are kept: laboratory.h.

#ifndef LIBMINILLM_LAB_STEPS_H_
#define LIBMINILLM_LAB_STEPS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libminillm/constitution/principle.h"
#include "libminillm/lab/experiment.h"
#include "libminillm/lab/lab_data.h"
#include "libminillm/pipeline/stages.h"
#include "libminillm/train/trainer.h"

namespace minillm::lab {

// What a step trains, on which files; part and file of the world (world/world_files.h).
struct Recipe {
  const char* step;
  const char* stage;
  const char* config;
  const char *part, *file;
  const char *replay_part, *replay_file;  // null: nothing is replayed
  bool plain_replay;                      // without polite facts
};

// A step with all that its training depends on, but the model that it begins from.
struct PlannedStep {
  const Recipe* recipe;
  ConfiguredStage stage;  // the recipe under the step's settings
  uint64_t seed;
  // Stories have a dial of their own, conversations and pairs the others.
  world::WorldDials dials, replay_dials;
  bool replays;
  int64_t rows;                          // of its data, the first ones; 0: all
  std::shared_ptr<Principle> principle;  // of a constitution, within the stage's fields; else null
  std::optional<OwnText> own;            // what it is trained on instead of the recipe's file
};
// REQUIRES a name of lab_steps(), or "reward". `by_model`: a reward model pays, and the truth is
// logged beside it, unless the settings say otherwise. Throws Error (kUsage) on a setting that
// there is not.
PlannedStep plan_step(const Step& step, const world::WorldDials& dials, uint64_t seed,
                      bool by_model = false);

struct StepModels {
  // The checkpoint that it begins from, or whose text it is trained on from scratch; empty: from
  // scratch on the world's.
  std::string before;
  std::string reward = {};  // of the reward model; empty: none
};
// Trains it in `directory`/run, or goes on there. Pairs that a constitution makes are kept in
// `directory`/pairs.jsonl. Throws as stages do; Error (kInterrupted) where a stop is requested
// while pairs are made.
TrainOutcome run_step(const PlannedStep& planned, const StepModels& models,
                      const std::string& directory, const LabData& data,
                      const TrainerEvents& events);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_STEPS_H_
