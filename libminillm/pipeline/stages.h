// The stages by name, to be configured by keys and run: what the C interface and the tools drive.
// What a stage is about, in words and facts: eval/stage_notes.h.

#ifndef LIBMINILLM_PIPELINE_STAGES_H_
#define LIBMINILLM_PIPELINE_STAGES_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/config.h"
#include "libminillm/core/error.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/reward/reward.h"
#include "libminillm/rl/rl.h"
#include "libminillm/sft/sft.h"

namespace minillm {

// A stage with a config of its own, which has the defaults at first: fill it, then run it.
struct ConfiguredStage {
  ConfigFields fields;
  std::function<TrainOutcome(const StageOptions&, const TrainerEvents&)> run;
};

struct Stage {
  std::string name;
  ConfiguredStage (*configure)();
};

template <typename Config, TrainOutcome (*kRun)(Config, const StageOptions&, const TrainerEvents&)>
ConfiguredStage configure_stage() {
  const auto config = std::make_shared<Config>();
  ConfiguredStage stage;
  list_fields(stage.fields, *config);
  stage.run = [config](const StageOptions& options, const TrainerEvents& events) {
    return kRun(*config, options, events);
  };
  return stage;
}

inline const std::vector<Stage>& all_stages() {
  static const std::vector<Stage> stages = {{"pretrain", configure_stage<PretrainConfig, pretrain>},
                                            {"sft", configure_stage<SftConfig, sft>},
                                            {"dpo", configure_stage<DpoConfig, dpo>},
                                            {"reward", configure_stage<RewardConfig, train_reward>},
                                            {"rl", configure_stage<RlConfig, rl>}};
  return stages;
}

// Throws Error (kUsage), which names the stages there are, if there is no such one.
inline ConfiguredStage configure_stage(std::string_view name) {
  const std::vector<Stage>& stages = all_stages();
  const auto stage = std::ranges::find(stages, name, &Stage::name);
  if (stage == stages.end())
    throw Error("argument 'stage': expected " + alternatives(stages) + ", got \"" +
                    std::string(name) + "\"",
                ExitCode::kUsage);
  return stage->configure();
}

}  // namespace minillm

#endif  // LIBMINILLM_PIPELINE_STAGES_H_
