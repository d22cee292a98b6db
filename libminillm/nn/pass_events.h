// PassEvents: who wants to know how far a pass over the model has come.

#ifndef LIBMINILLM_NN_PASS_EVENTS_H_
#define LIBMINILLM_NN_PASS_EVENTS_H_

#include <functional>

#include "libminillm/core/real.h"

namespace minillm {

// Both required. Part -1 is the embedding, parts 2l and 2l + 1 are the halves of block l, attention
// and feed-forward, and part 2L is what follows the L blocks.
struct PassEvents {
  std::function<void(Index part)> before_forward;  // its parameters are read next
  std::function<void(Index part)> after_backward;  // its gradient is complete, of this pass
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_PASS_EVENTS_H_
