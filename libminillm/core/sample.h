// Sample: a text that a model wrote, as it is shown and logged while the model trains.

#ifndef LIBMINILLM_CORE_SAMPLE_H_
#define LIBMINILLM_CORE_SAMPLE_H_

#include <optional>
#include <string>
#include <vector>

namespace minillm {

struct Sample {
  std::string prompt, text;
  bool is_answer = false;             // to the prompt as a user's message; else `text` continues it
  std::optional<double> reward = {};  // what it was worth, where that was asked
};

// "prompt|text" or "prompt\n  -> text", a reward after it, and a line end for each of them.
std::string to_text(const std::vector<Sample>& samples);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_SAMPLE_H_
