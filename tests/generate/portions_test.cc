#include "libminillm/generate/portions.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "libminillm/core/rng.h"

namespace minillm {
namespace {

using Rows = std::vector<Index>;

Rows dealt(const Rows& wants, Index rows, size_t first = 0) {
  Rows portions(wants.size(), -1);
  deal_rows(portions, wants, rows, first);
  return portions;
}

TEST(DealRows, AShortPromptGetsAllAndLongOnesShareTheRest) {
  EXPECT_EQ(dealt({1000, 5, 40}, 256), (Rows{211, 5, 40}));
  EXPECT_EQ(dealt({1000, 5, 400, 0}, 105), (Rows{50, 5, 50, 0}));
  EXPECT_EQ(dealt({3, 2}, 100), (Rows{3, 2}));
  EXPECT_EQ(dealt({0, 0}, 100), (Rows{0, 0}));
}

TEST(DealRows, TooFewRowsGoAroundByTurns) {
  EXPECT_EQ(dealt({9, 9, 9}, 2, 0), (Rows{1, 1, 0}));
  EXPECT_EQ(dealt({9, 9, 9}, 2, 1), (Rows{0, 1, 1}));
  EXPECT_EQ(dealt({9, 9, 9}, 2, 2), (Rows{1, 0, 1}));
  EXPECT_EQ(dealt({9, 9, 9}, 4, 2), (Rows{1, 1, 2}));
  EXPECT_EQ(dealt({0, 9, 0}, 1, 2), (Rows{0, 1, 0}));
}

TEST(DealRows, GivesAllThereIsAndOneRowMoreAtMostThanToAnotherThatWantsMore) {
  Rng rng(3);
  for (int i = 0; i < 2000; ++i) {
    Rows wants(1 + rng.below(8));
    for (Index& want : wants) want = static_cast<Index>(rng.below(40));
    const Index rows = 1 + static_cast<Index>(rng.below(100));
    const Rows portions = dealt(wants, rows, rng.below(8) % wants.size());
    const Index wanted = std::accumulate(wants.begin(), wants.end(), Index{0});
    EXPECT_EQ(std::accumulate(portions.begin(), portions.end(), Index{0}), std::min(rows, wanted));
    for (size_t a = 0; a < wants.size(); ++a) {
      EXPECT_LE(portions[a], wants[a]);
      for (size_t b = 0; b < wants.size(); ++b)
        EXPECT_TRUE(portions[b] == wants[b] || portions[a] <= portions[b] + 1);
    }
  }
}

}  // namespace
}  // namespace minillm
