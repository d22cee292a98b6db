// The name that was probably meant: for errors about unknown ones. Internal.

#ifndef LIBMINILLM_CORE_NEAREST_NAME_H_
#define LIBMINILLM_CORE_NEAREST_NAME_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm {

// The name that is nearest to the dotted `name` by Levenshtein's distance, where a forgotten or
// wrong section costs one edit; empty if none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string_view>& names);

// "train" of "train.steps", and "steps".
std::string_view section_of(std::string_view key);
std::string_view name_of(std::string_view key);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_NEAREST_NAME_H_
