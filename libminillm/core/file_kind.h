// What a file is that is not what it was taken for, told by its first bytes: so that the message is
// about the file that lies there, and not about the first byte that a parser did not expect.

#ifndef LIBMINILLM_CORE_FILE_KIND_H_
#define LIBMINILLM_CORE_FILE_KIND_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace minillm {

// Enough of a file's beginning for describe_foreign_file().
inline constexpr size_t kFileKindBytes = 4096;

// `a Git LFS pointer, not the file itself (fetch it: git lfs pull)`: what the file is that begins
// with `head`, and what to do; nothing if it is none of the kinds known here.
std::optional<std::string> describe_foreign_file(std::string_view head);

// Throws Error if `head` is the beginning of a foreign file: `'<path>': it is ...: expected
// <expected>`.
void expect_not_foreign(const std::string& path, std::string_view head, const char* expected);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_FILE_KIND_H_
