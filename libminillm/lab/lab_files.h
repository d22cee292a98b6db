// The files that the laboratory brings: its experiments and the recipes that they change. Internal.

#ifndef LIBMINILLM_LAB_LAB_FILES_H_
#define LIBMINILLM_LAB_LAB_FILES_H_

#include <span>
#include <string>
#include <string_view>

namespace minillm::lab {

struct LabFile {
  const char* name;  // "replay.toml", "world_sft.toml"
  bool is_recipe;    // a stage's config that steps change, no experiment
  const char* content;
};
std::span<const LabFile> lab_files();
// REQUIRES that there is one of this name.
std::string lab_file(std::string_view name);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_LAB_FILES_H_
