#include "libminillm/generate/portions.h"

#include <algorithm>

namespace minillm {

void deal_rows(std::span<Index> portions, std::span<const Index> wants, Index rows, size_t first) {
  std::ranges::fill(portions, Index{0});
  const size_t n = wants.size();
  // Every round but the last satisfies somebody, or leaves fewer rows than prompts.
  for (;;) {
    Index waiting = 0;
    for (size_t i = 0; i < n; ++i) waiting += portions[i] < wants[i];
    if (waiting == 0 || rows == 0) return;
    const Index each = std::max<Index>(1, rows / waiting);
    for (size_t k = 0; k < n; ++k) {
      const size_t i = (first + k) % n;
      const Index portion = std::min({each, wants[i] - portions[i], rows});
      portions[i] += portion;
      rows -= portion;
    }
  }
}

}  // namespace minillm
