// `minillm-lab proxies`: whether figures that are easily had rank checkpoints as the goal does.

#ifndef TOOLS_LAB_PROXIES_H_
#define TOOLS_LAB_PROXIES_H_

#include <vector>

#include "libminillm/lab/laboratory.h"

namespace minillm {

// Of all checkpoints of these experiments that have been asked; trains nothing. Writes DIR/proxies,
// and prints the table. Returns the exit code.
int run_proxies(lab::Laboratory& laboratory, const std::vector<lab::Experiment>& experiments);

}  // namespace minillm

#endif  // TOOLS_LAB_PROXIES_H_
