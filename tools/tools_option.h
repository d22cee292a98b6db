// For minillm-generate: the tools that a model may call.

#ifndef TOOLS_TOOLS_OPTION_H_
#define TOOLS_TOOLS_OPTION_H_

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libminillm/generate/built_in_tools.h"

namespace minillm {

inline CLI::Option* add_tools_options(CLI::App& app, std::vector<std::string>& tools,
                                      std::string& clock) {
  CLI::Option* option =
      app.add_option("--tools", tools,
                     fmt::format("tools that answers may call, divided by commas: {}",
                                 fmt::join(built_in_tool_names().first(4), ", ")))
          ->delimiter(',')
          ->allow_extra_args(false);
  app.add_option("--clock", clock, "what the tool clock says (default: the time)")->needs(option);
  return option;
}

}  // namespace minillm

#endif  // TOOLS_TOOLS_OPTION_H_
