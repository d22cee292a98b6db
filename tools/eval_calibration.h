// minillm-eval calibration: whether confidence in one-word answers tells the right from the wrong,
// and which facts have another most probable value than in a checkpoint before.

#ifndef TOOLS_EVAL_CALIBRATION_H_
#define TOOLS_EVAL_CALIBRATION_H_

#include <CLI/CLI.hpp>
#include <string>

#include "libminillm/dist/communicator.h"
#include "tools/adapter_option.h"

namespace minillm {

struct CalibrationArguments {
  std::string checkpoint, directory = "data/heldout", split = "test";
  AdapterOptions adapters;
  std::string against;  // a checkpoint; empty: none
  std::string svg;      // a file to write; empty: none
  bool json = false;
};
void add_calibration_options(CLI::App& command, CalibrationArguments& arguments);

// Prints the figures. `ranks`: who shares the work; null: one.
void evaluate_calibration(const CalibrationArguments& arguments, Communicator* ranks);

}  // namespace minillm

#endif  // TOOLS_EVAL_CALIBRATION_H_
