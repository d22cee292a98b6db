#include "libminillm/core/nearest_name.h"

#include <algorithm>
#include <utility>

namespace minillm {
namespace {

// Levenshtein's distance, one row of the table at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({substituted, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string_view section_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}
std::string_view name_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

std::string nearest_name(std::string_view name, const std::vector<std::string_view>& names) {
  constexpr size_t kLongest = 64;  // no name is as long; what a broken file has in its place may be
  if (name.size() > kLongest) return "";
  size_t least = name.size() / 2 + 2;
  const auto distance = [&](std::string_view a, std::string_view b) {
    const size_t at_least = std::max(a.size(), b.size()) - std::min(a.size(), b.size());
    return at_least < least ? edit_distance(a, b) : at_least;
  };
  std::string nearest;
  for (const std::string_view known : names) {
    const size_t d = std::min(distance(name, known), distance(name_of(name), name_of(known)) + 1);
    if (d < least) {
      least = d;
      nearest = known;
    }
  }
  return nearest;
}

}  // namespace minillm
