#include "libminillm/constrain/code_ranges.h"

#include <algorithm>

namespace minillm {
namespace {

const CodeRanges kDigits = {{'0', '9'}};
const CodeRanges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodeRanges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
const CodeRanges kSpace = {{'\t', '\r'},     {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680},
                           {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                           {0x3000, 0x3000}, {0xfeff, 0xfeff}};

}  // namespace

CodeRanges sorted(CodeRanges ranges) {
  std::ranges::sort(ranges, {}, &CodeRange::first);
  CodeRanges joined;
  for (const CodeRange& range : ranges) {
    if (!joined.empty() && range.first <= joined.back().last + 1)
      joined.back().last = std::max(joined.back().last, range.last);
    else
      joined.push_back(range);
  }
  return joined;
}

CodeRanges complement(const CodeRanges& ranges) {
  CodeRanges others;
  uint32_t from = 0;
  for (const CodeRange& range : sorted(ranges)) {
    if (range.first > from) others.push_back({from, range.first - 1});
    from = range.last + 1;
  }
  if (from <= kLastCodePoint) others.push_back({from, kLastCodePoint});
  return others;
}

std::optional<CodeRanges> class_of_escape(char32_t letter) {
  switch (letter) {
    case 'd':
      return kDigits;
    case 'w':
      return kWord;
    case 's':
      return kSpace;
    default:
      return std::nullopt;
  }
}

CodeRanges any_but_line_ends() { return complement(kLineEnds); }

}  // namespace minillm
