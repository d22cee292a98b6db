#include "libminillm/lab/lab_files.h"

#include <algorithm>

namespace minillm::lab {
namespace {

constexpr LabFile kFiles[] = {
#include "lab_files.inc"
};

}  // namespace

std::span<const LabFile> lab_files() { return kFiles; }

std::string lab_file(std::string_view name) {
  return std::ranges::find(kFiles, name,
                           [](const LabFile& file) { return std::string_view(file.name); })
      ->content;
}

}  // namespace minillm::lab
