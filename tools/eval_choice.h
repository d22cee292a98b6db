// minillm-eval choice and continuation: public benchmarks by log-likelihood.

#ifndef TOOLS_EVAL_CHOICE_H_
#define TOOLS_EVAL_CHOICE_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libminillm/dist/communicator.h"
#include "tools/adapter_option.h"

namespace minillm {

struct ChoiceArguments {
  std::string checkpoint, items;  // items: a file; empty: none
  std::vector<std::string> files;
  AdapterOptions adapters;
  int64_t limit = 0;  // items of every file; 0: all
  bool json = false;
};
void add_choice_options(CLI::App& command, ChoiceArguments& arguments);

// Print a line for every file. `ranks`: who shares the work; null: one.
void evaluate_choice_files(const ChoiceArguments& arguments, Communicator* ranks);
void evaluate_continuation_files(const ChoiceArguments& arguments, Communicator* ranks);

}  // namespace minillm

#endif  // TOOLS_EVAL_CHOICE_H_
