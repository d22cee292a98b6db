#include "tools/lab_scaling.h"

#include "libminillm/core/file.h"
#include "libminillm/lab/scaling.h"
#include "tools/print.h"

namespace minillm {

int run_scaling(const lab::LabOptions& options, const lab::LabEvents& events, bool quick) {
  const lab::ScalingResult result = lab::try_scaling(options, events, lab::scaling_plan(quick));
  const std::string table = lab::scaling_markdown(result);
  const std::string directory = join_path(options.directory, "scaling");
  create_directories(directory);
  for (const auto& [name, content] :
       {std::pair("table.md", table), std::pair("table.csv", lab::scaling_csv(result)),
        std::pair("figure.svg", lab::scaling_svg(result)),
        std::pair("verdict.json", lab::scaling_json(result))})
    write_output(join_path(directory, name), content);
  print_text(table);
  return 0;
}

}  // namespace minillm
