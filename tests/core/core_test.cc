// Arena, TensorTable and Rng: what everything else is built on.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "libminillm/core/arena.h"
#include "libminillm/core/matrix.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/tensor_table.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

TEST(Arena, IsZeroAndAligned) {
  for (Index size : {0, 1, 15, 16, 17, 1000}) {
    const Arena arena(size);
    EXPECT_EQ(arena.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % 64, 0u);
    EXPECT_TRUE(std::ranges::all_of(arena.span(), [](Real x) { return x == 0; }));
  }
}

TEST(Arena, MovesWithoutCopying) {
  Arena first(3);
  first.span()[1] = 5;
  const Real* data = first.data();
  Arena second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(first.size(), 0);
  Arena third;
  third = std::move(second);
  EXPECT_EQ(third.span()[1], 5);
  EXPECT_EQ(second.size(), 0);
}

TEST(Matrix, ViewsAreBlocksOfItsMemory) {
  Matrix m(3, 4);
  std::iota(m.span().begin(), m.span().end(), Real{0});
  EXPECT_EQ(m(2, 1), 9);
  const View block = m.view().row_block(1, 3).col_block(2, 4);
  EXPECT_EQ(block.rows, 2);
  EXPECT_EQ(block.cols, 2);
  EXPECT_EQ(block(1, 0), 10);
  fill(block, -1);
  EXPECT_EQ(m(2, 3), -1);
  EXPECT_EQ(m(2, 1), 9);
  EXPECT_EQ(m.top(1).rows, 1);
}

TEST(TensorTable, LaysTensorsBehindEachOther) {
  TensorTable table;
  EXPECT_EQ(table.add("a", {2, 3}, true), 0);
  EXPECT_EQ(table.add("b", {4}, false), 6);
  EXPECT_EQ(table.size(), 10);
  ASSERT_NE(table.find("b"), nullptr);
  EXPECT_EQ(table.find("b")->size, 4);
  EXPECT_FALSE(table.find("b")->decay);
  EXPECT_EQ(table.find("c"), nullptr);

  Arena arena(table.size());
  const std::span<Real> b = tensor_span(arena.span(), *table.find("b"));
  EXPECT_EQ(b.data(), arena.data() + 6);
  EXPECT_EQ(b.size(), 4u);
}

TEST(TensorTable, NamesTheTensorOfAnElement) {
  TensorTable table;
  table.add("a", {2, 3}, true);
  table.add("b", {4}, false);
  EXPECT_EQ(table.name_at(0), "a");
  EXPECT_EQ(table.name_at(5), "a");
  EXPECT_EQ(table.name_at(6), "b");
  EXPECT_EQ(table.name_at(9), "b");
  EXPECT_ERROR(table.name_at(10), "no tensor holds element 10");
  EXPECT_ERROR(table.name_at(-1), "no tensor holds element -1");
}

// The numbers were computed by an independent program: runs must repeat on every platform, forever.
TEST(Rng, GivesTheSameNumbersEverywhere) {
  Rng a(1);
  EXPECT_EQ(a.next(), 0x275f2ae791fef8a1u);
  EXPECT_EQ(a.next(), 0x0091f1cf4437d33eu);
  EXPECT_EQ(a.next(), 0xee57a3a974d5f617u);
  Rng b(1, 7);
  EXPECT_EQ(b.next(), 0xa93a85f479120f4eu);
  EXPECT_EQ(b.next(), 0x16a23674520bda78u);
}

TEST(Rng, StreamsAndSeedsDiffer) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (uint64_t stream = 0; stream < 50; ++stream) first.insert(Rng(seed, stream).next());
  }
  EXPECT_EQ(first.size(), 2500u);
}

TEST(Rng, BelowIsUniform) {
  Rng rng(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts.at(rng.below(7));
  for (int count : counts) EXPECT_NEAR(count, 10000, 400);  // four standard deviations
}

TEST(Rng, UniformAndNormalHaveTheirMoments) {
  Rng rng(4);
  constexpr int kCount = 100000;
  double uniform = 0, mean = 0, square = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = rng.uniform(), z = rng.normal();
    ASSERT_TRUE(0 <= u && u < 1);
    uniform += u / kCount, mean += z / kCount, square += z * z / kCount;
  }
  EXPECT_NEAR(uniform, 0.5, 0.004);
  EXPECT_NEAR(mean, 0, 0.013);
  EXPECT_NEAR(square, 1, 0.02);
}

TEST(Rng, WeightedFollowsTheWeights) {
  Rng rng(5);
  const double weights[] = {1, 0, 3};
  std::vector<int> counts(3);
  for (int i = 0; i < 40000; ++i) ++counts.at(rng.weighted(weights));
  EXPECT_NEAR(counts[0], 10000, 350);
  EXPECT_EQ(counts[1], 0);
}

TEST(Rng, ShuffleIsAPermutationAndAFunctionOfItsKey) {
  std::vector<int> items(100), again(100), sorted(100);
  std::iota(items.begin(), items.end(), 0);
  again = sorted = items;
  Rng(6, 1).shuffle(items);
  Rng(6, 1).shuffle(again);
  EXPECT_EQ(items, again);
  EXPECT_NE(items, sorted);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(items, sorted);
}

}  // namespace
}  // namespace minillm
