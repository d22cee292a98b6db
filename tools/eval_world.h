// minillm-eval world: the embedded world's held-out questions, to the model alone and with what is
// around it.

#ifndef TOOLS_EVAL_WORLD_H_
#define TOOLS_EVAL_WORLD_H_

#include <CLI/CLI.hpp>
#include <string>

#include "libminillm/dist/communicator.h"
#include "tools/adapter_option.h"

namespace minillm {

struct WorldArguments {
  std::string checkpoint, directory = "data/heldout", split = "test";
  AdapterOptions adapters;
  std::string notes, policy;  // files; empty: none
  bool tools = false, layers = false, json = false;
};
void add_world_options(CLI::App& command, WorldArguments& arguments);

// The path of a file of a world's directory. Throws Error, which says how to make it, if there is
// none.
std::string world_file(const std::string& directory, const char* name);

// Prints the metrics. `ranks`: who shares the work; null: one.
void evaluate_world_set(const WorldArguments& arguments, Communicator* ranks);

}  // namespace minillm

#endif  // TOOLS_EVAL_WORLD_H_
