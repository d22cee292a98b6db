// `minillm-lab scaling`: base models of several sizes under several budgets.

#ifndef TOOLS_LAB_SCALING_H_
#define TOOLS_LAB_SCALING_H_

#include "libminillm/lab/laboratory.h"

namespace minillm {

// Trains and asks what is missing, writes DIR/scaling, and prints the table. Returns the exit code.
int run_scaling(const lab::LabOptions& options, const lab::LabEvents& events, bool quick);

}  // namespace minillm

#endif  // TOOLS_LAB_SCALING_H_
