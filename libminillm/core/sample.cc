#include "libminillm/core/sample.h"

#include <fmt/format.h>

namespace minillm {

std::string to_text(const std::vector<Sample>& samples) {
  std::string text;
  for (const Sample& sample : samples) {
    text += fmt::format("{}{}{}", sample.prompt, sample.is_answer ? "\n  -> " : "|", sample.text);
    if (sample.reward) text += fmt::format("  (reward {:.3g})", *sample.reward);
    text += '\n';
  }
  return text;
}

}  // namespace minillm
