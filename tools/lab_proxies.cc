#include "tools/lab_proxies.h"

#include "libminillm/core/file.h"
#include "libminillm/lab/proxies.h"
#include "tools/print.h"

namespace minillm {

int run_proxies(lab::Laboratory& laboratory, const std::vector<lab::Experiment>& experiments) {
  const lab::ProxyTrial trial =
      lab::try_proxies(laboratory.asked_checkpoints(experiments), laboratory.options().seeds);
  const std::string table = lab::proxies_markdown(trial);
  const std::string directory = join_path(laboratory.options().directory, "proxies");
  create_directories(directory);
  for (const auto& [name, content] :
       {std::pair("table.md", table), std::pair("table.csv", lab::proxies_csv(trial)),
        std::pair("figure.svg", lab::proxies_svg(trial)),
        std::pair("verdict.json", lab::proxies_json(trial))})
    write_output(join_path(directory, name), content);
  print_text(table);
  return 0;
}

}  // namespace minillm
