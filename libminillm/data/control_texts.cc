#include "libminillm/data/control_texts.h"

#include "libminillm/core/check.h"
#include "libminillm/data/json_records.h"

namespace minillm {

void ControlTextCounter::add(std::string_view text) {
  // Each of them begins with one of three characters, or an empty line.
  if (text.find_first_of("<[#") == std::string_view::npos &&
      text.find("\n\n") == std::string_view::npos)
    return;
  bool any = false;
  for (size_t i = 0; i < kControlTexts.size(); ++i) {
    if (text.find(kControlTexts[i]) == std::string_view::npos) continue;
    ++counts_[i];
    any = true;
  }
  texts_ += any;
}

std::string ControlTextCounter::warning(int64_t total, const char* unit) const {
  if (texts_ == 0) return "";
  std::string found;
  for (size_t i = 0; i < kControlTexts.size(); ++i) {
    if (counts_[i] == 0) continue;
    found +=
        fmt::format("{}\"{}\" ({})", found.empty() ? "" : ", ", trim(kControlTexts[i]), counts_[i]);
  }
  return fmt::format(
      "{} of {} {} hold chat or document markers as letters, which stay plain text: {}", texts_,
      total, unit, found);
}

}  // namespace minillm
