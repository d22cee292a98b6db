// Scoring: who hears how far an evaluation has come, and which ranks share its work.

#ifndef LIBMINILLM_EVAL_SCORING_H_
#define LIBMINILLM_EVAL_SCORING_H_

#include <concepts>
#include <utility>

#include "libminillm/core/progress.h"
#include "libminillm/dist/communicator.h"

namespace minillm {

// A progress function is one. With several ranks all of them must score the same items; each
// computes a part, and all get all results, with the bits of one rank.
struct Scoring {
  Scoring() = default;
  template <typename Function>
  requires std::convertible_to<Function, ProgressFunction> Scoring(Function&& progress_,
                                                                   Communicator* ranks_ = nullptr)
      : progress(std::forward<Function>(progress_)), ranks(ranks_) {}

  ProgressFunction progress = {};
  Communicator* ranks = nullptr;  // null: one rank
};

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_SCORING_H_
