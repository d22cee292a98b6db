// How tools print what files and models say: nothing of it steers the terminal.

#ifndef TOOLS_PRINT_H_
#define TOOLS_PRINT_H_

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "libminillm/core/visible.h"

namespace minillm {

// fmt::print() to standard output, with what a terminal would obey spelled out.
template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}", visible(fmt::format(format, std::forward<Args>(args)...)));
}

// What a model wrote: on a terminal like that, in a pipe byte for byte.
inline void print_text(const std::string& text) {
  static const bool kTerminal = isatty(STDOUT_FILENO) == 1;
  fmt::print("{}", kTerminal ? visible(text) : text);
}

}  // namespace minillm

#endif  // TOOLS_PRINT_H_
