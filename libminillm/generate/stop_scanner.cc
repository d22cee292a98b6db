#include "libminillm/generate/stop_scanner.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// Length of the longest suffix of `text` that is a proper prefix of `stop`.
size_t possible_beginning(std::string_view text, std::string_view stop) {
  size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && !text.ends_with(stop.substr(0, length))) --length;
  return length;
}

}  // namespace

StopScanner::StopScanner(std::vector<std::string> stop) : stop_(std::move(stop)) {
  for (const std::string& s : stop_)
    MINILLM_CHECK_USAGE(!s.empty(), "stop string: expected some text, got an empty string");
}

std::string StopScanner::push(const std::string& piece) {
  if (stopped_) return "";
  held_ += piece;

  size_t first_begin = 0, first_end = std::string::npos;
  for (const std::string& s : stop_) {
    const size_t begin = held_.find(s);
    if (begin == std::string::npos) continue;
    const size_t end = begin + s.size();
    if (end < first_end || (end == first_end && begin < first_begin)) {
      first_begin = begin;
      first_end = end;
    }
  }
  if (first_end != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, "").substr(0, first_begin);
  }

  size_t hold = 0;
  for (const std::string& s : stop_) hold = std::max(hold, possible_beginning(held_, s));
  std::string certain = held_.substr(0, held_.size() - hold);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopScanner::finish() { return std::exchange(held_, ""); }

}  // namespace minillm
