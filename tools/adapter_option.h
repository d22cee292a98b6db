// --adapter: adapters on a checkpoint.

#ifndef TOOLS_ADAPTER_OPTION_H_
#define TOOLS_ADAPTER_OPTION_H_

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/file.h"

namespace minillm {

// DIR or DIR:WEIGHT. A directory whose name ends so is taken as it is.
inline Checkpoint::AdapterArgument parse_adapter(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || file_exists(text)) return {text, 1};
  Checkpoint::AdapterArgument adapter{text.substr(0, colon), 1};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, adapter.weight);
  return error == std::errc() && rest == end ? adapter : Checkpoint::AdapterArgument{text, 1};
}

struct AdapterOptions {
  std::vector<Checkpoint::AdapterArgument> adapters;
  bool force = false;  // takes those of another base
};

// `what` they are put on.
inline void add_adapter_option(CLI::App& app, std::vector<Checkpoint::AdapterArgument>& adapters,
                               const std::string& what = "the checkpoint") {
  app.add_option_function<std::vector<std::string>>(
         "--adapter",
         [&adapters](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) adapters.push_back(parse_adapter(text));
         },
         "adapter on " + what + ", DIR or DIR:WEIGHT; several are added up")
      ->allow_extra_args(false)
      ->take_all();
}
inline void add_adapter_options(CLI::App& app, std::vector<Checkpoint::AdapterArgument>& adapters,
                                bool& force, const std::string& what = "the checkpoint") {
  add_adapter_option(app, adapters, what);
  app.add_flag("--force", force, "take adapters of another base, whose updates then mean nothing");
}

inline void add_adapter_options(CLI::App& app, AdapterOptions& options) {
  add_adapter_options(app, options.adapters, options.force);
}

// The checkpoint with its adapters; says its warnings.
inline Checkpoint open_checkpoint(const std::string& path, const AdapterOptions& options = {}) {
  const Checkpoint checkpoint = CheckpointSource{path, options.adapters, options.force}.open();
  for (const std::string& warning : checkpoint.warnings()) spdlog::warn("warning: {}", warning);
  return checkpoint;
}

}  // namespace minillm

#endif  // TOOLS_ADAPTER_OPTION_H_
