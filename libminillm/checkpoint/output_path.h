// Where a user's output must not go.

#ifndef LIBMINILLM_CHECKPOINT_OUTPUT_PATH_H_
#define LIBMINILLM_CHECKPOINT_OUTPUT_PATH_H_

#include <string>
#include <vector>

namespace minillm {

// Throws Error (kUsage) if writing a file at `path` would destroy one of `inputs` (files, or
// directories of models, under whatever name), or a file of any checkpoint or run of this library:
// a run's weights may exist only once.
void check_output_path(const std::string& path, const std::vector<std::string>& inputs);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_OUTPUT_PATH_H_
