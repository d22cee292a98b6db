// Whether a run may be continued: it must be the same run.

#ifndef LIBMINILLM_TRAIN_RESUME_CHECK_H_
#define LIBMINILLM_TRAIN_RESUME_CHECK_H_

#include <string>

#include "libminillm/checkpoint/trainer_state.h"  // LineageEntry

namespace minillm {

// Throws Error (kUsage) unless `now` describes the run that `before` was stored by: the same stage,
// parent, seed, data and config. Names everything that differs. Keys that say only what is logged,
// evaluated, saved or kept may change, and so may held-out data; train.steps and train.epochs only
// if `may_be_longer`, because the learning rate may depend on them.
//
// A key that an earlier version did not know had its default then: so the default of a new field
// must be what the library did before. A key that this version no longer knows is named.
//   defaults  the stage's default config as TOML
//   run       the run directory, for the error
void check_same_run(const LineageEntry& before, const LineageEntry& now,
                    const std::string& defaults, const std::string& run,
                    bool may_be_longer = false);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_RESUME_CHECK_H_
