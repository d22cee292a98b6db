// The experiments that the library brings.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/nearest_name.h"
#include "libminillm/lab/experiment.h"
#include "libminillm/lab/lab_files.h"

namespace minillm::lab {

const std::vector<Experiment>& all_experiments() {
  static const std::vector<Experiment> all = [] {
    std::vector<Experiment> parsed;
    for (const LabFile& file : lab_files())
      if (!file.is_recipe) parsed.push_back(parse_experiment(file.content, file.name));
    std::ranges::sort(parsed, {}, &Experiment::name);
    return parsed;
  }();
  return all;
}

const Experiment& find_experiment(const std::string& name) {
  const std::vector<Experiment>& all = all_experiments();
  const auto found = std::ranges::find(all, name, &Experiment::name);
  if (found != all.end()) return *found;
  std::vector<std::string_view> names;
  for (const Experiment& experiment : all) names.push_back(experiment.name);
  const std::string near = nearest_name(name, names);
  throw Error(fmt::format("experiment '{}': there is no such one{}", name,
                          near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)),
              ExitCode::kUsage);
}

}  // namespace minillm::lab
