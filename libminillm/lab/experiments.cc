// The experiments that the library brings.

#include <algorithm>
#include <set>

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

Experiment with_deciding_cells(Experiment experiment) {
  std::set<std::string> needed = {experiment.measure.cell, experiment.measure.against};
  // Cells are made of cells before them.
  for (auto cell = experiment.cells.rbegin(); cell != experiment.cells.rend(); ++cell) {
    if (!needed.contains(cell->name)) continue;
    needed.insert(cell->agreement.begin(), cell->agreement.end());
    needed.insert(cell->adapters.begin(), cell->adapters.end());
  }
  std::erase_if(experiment.cells, [&](const Cell& cell) { return !needed.contains(cell.name); });
  return experiment;
}

}  // namespace minillm::lab
