// minillm-world --check: texts of any writer against the world's truth.

#ifndef TOOLS_WORLD_CHECK_H_
#define TOOLS_WORLD_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

namespace minillm {

struct WorldCheck {
  std::vector<std::string> files;  // corpora, or plain texts
  std::string split = "blank_line";
  uint64_t seed = 1;
  std::string filtered;    // file for the documents in which nothing is untrue; empty: none
  std::string statements;  // file for a line per statement; empty: none
  bool json = false;
};

// Tells on stdout what the documents state, and how much of it is true; writes the files whole or
// not at all. Throws Error, and kInterrupted.
void check_against_world(const WorldCheck& check);

}  // namespace minillm

#endif  // TOOLS_WORLD_CHECK_H_
