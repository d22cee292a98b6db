#include "libminillm/checkpoint/output_path.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "libminillm/checkpoint/manifest.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace fs = std::filesystem;
namespace {

bool is_model_file(std::string_view name) {
  constexpr std::array<std::string_view, 5> kEndings = {".safetensors", ".json", ".model", ".jinja",
                                                        ".bin"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

void check_output_path(const std::string& path, const std::vector<std::string>& inputs) {
  constexpr std::array<std::string_view, 5> kRunFiles = {"LATEST", "best", "metrics.jsonl", ".lock",
                                                         "tokenizer.model"};
  std::error_code ignored;
  const fs::path target = fs::weakly_canonical(path, ignored);
  const std::string directory = target.parent_path().string(), name = target.filename().string();
  for (const std::string& input : inputs) {
    MINILLM_CHECK_USAGE(!fs::equivalent(path, input, ignored),
                        "output '{}': is an input, too ('{}'), and would be lost (choose another "
                        "name)",
                        path, input);
    MINILLM_CHECK_USAGE(
        !file_exists(path) || !is_model_file(name) || !fs::equivalent(directory, input, ignored),
        "output '{}': is a file of '{}', which is read (choose another name)", path, input);
  }
  const bool of_run = file_exists(join_path(directory, ".lock")) &&
                      std::find(kRunFiles.begin(), kRunFiles.end(), name) != kRunFiles.end();
  MINILLM_CHECK_USAGE(!has_manifest(directory) && !of_run,
                      "output '{}': {} (choose a place outside it)", path,
                      of_run ? "is a file of a run" : "lies in a checkpoint");
}

}  // namespace minillm
