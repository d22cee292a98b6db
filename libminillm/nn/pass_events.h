// PassEvents: who wants to know how far a pass over the model has come.

#ifndef LIBMINILLM_NN_PASS_EVENTS_H_
#define LIBMINILLM_NN_PASS_EVENTS_H_

#include <functional>

#include "libminillm/core/real.h"

namespace minillm {

// Both required. Layer l's parameters are those of block l; layer -1 is the embedding, layer L what
// follows the blocks.
struct PassEvents {
  std::function<void(Index layer)> before_forward;  // its parameters are read next
  std::function<void(Index layer)> after_backward;  // its gradient is complete, of this pass
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_PASS_EVENTS_H_
