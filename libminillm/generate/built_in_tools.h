// Tools that are built in: sums, a clock, a look-up. None evaluates text, runs a program, or reads
// a file that a model names.

#ifndef LIBMINILLM_GENERATE_BUILT_IN_TOOLS_H_
#define LIBMINILLM_GENERATE_BUILT_IN_TOOLS_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/generate/tool_loop.h"

namespace minillm {

struct BuiltInToolOptions {
  std::string time;  // what the clock says; empty: the machine's time, as in 2026-11-27 14:05
  // What is known about a question; "lookup" needs it.
  std::function<std::string(const std::string& question)> lookup = {};
};

// add, subtract, multiply (integers of 64 bits; an overflow is told), clock, lookup.
std::span<const char* const> built_in_tool_names();

// Those of the names. Throws Error (kUsage) on a name that there is not, one that is given twice,
// and on "lookup" without what it looks up in.
std::vector<CallableTool> built_in_tools(const std::vector<std::string>& names,
                                         const BuiltInToolOptions& options = {});

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_BUILT_IN_TOOLS_H_
