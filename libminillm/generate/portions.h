// How the rows of a step are dealt among the prompts that wait for them.

#ifndef LIBMINILLM_GENERATE_PORTIONS_H_
#define LIBMINILLM_GENERATE_PORTIONS_H_

#include <span>

#include "libminillm/core/real.h"

namespace minillm {

// At most `rows` in all and wants[i] for i, as evenly as that goes: a short prompt gets what it
// wants, and the long ones share the rest. Rows that are too few to be shared go one each to those
// from number `first` on, around the end: a caller that counts it up leaves nobody without.
//   portions  [n]  out
//   wants     [n]  0: it waits for none
void deal_rows(std::span<Index> portions, std::span<const Index> wants, Index rows, size_t first);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_PORTIONS_H_
