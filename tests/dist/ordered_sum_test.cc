// Sums over ranks (threads here) have the bits that one rank computes, whatever their number.

#include "libminillm/dist/ordered_sum.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#include "libminillm/core/rng.h"
#include "libminillm/dist/loopback.h"
#include "libminillm/dist/mpi.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::expect_same_bits;
using testing::Each;
using Values = std::vector<Real>;

// Numbers of very different sizes, so that every other order of additions gives other bits; zeros
// of both signs and the smallest numbers among them.
Values values_of(Index slot, Index size) {
  Rng rng(23, static_cast<uint64_t>(slot));
  Values values(static_cast<size_t>(size));
  for (Real& v : values) {
    v = static_cast<Real>(rng.normal() * std::pow(10.0, static_cast<double>(rng.below(9)) - 4));
    if (rng.below(9) == 0) v = rng.below(2) == 0 ? Real{0} : -Real{0};
    if (rng.below(9) == 0) v = std::numeric_limits<Real>::denorm_min() * Real{3};
  }
  return values;
}

Values tree_value(Slots node, Index size) {
  if (node.count() == 1) return values_of(node.begin, size);
  const Values left = tree_value(left_of(node), size), right = tree_value(right_of(node), size);
  Values sum(left.size());
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = left[i] + right[i];
  return sum;
}

// [0, size) in parts: about equal, or unequal with empty ones.
std::vector<ElementRange> parts_of(Index size, Index count, bool unequal) {
  std::vector<ElementRange> parts;
  Index begin = 0;
  for (Index p = 0; p < count; ++p) {
    const Index share = unequal ? size * (p / 3) / count : size * (p + 1) / count;
    const Index end = p + 1 == count ? size : std::clamp(share, begin, size);
    parts.push_back({begin, end});
    begin = end;
  }
  return parts;
}

struct Case {
  Index slots, ranks, size, bucket;
  bool unequal, beside_work = false;
  Index parts = 16;
};

// What every rank has in the end.
std::vector<Values> summed(const Case& c, std::vector<double>* bytes = nullptr) {
  std::vector<Values> results(static_cast<size_t>(c.ranks));
  std::mutex mutex;
  if (bytes != nullptr) bytes->resize(static_cast<size_t>(c.ranks));
  run_loopback(c.ranks, [&](Communicator& communicator) {
    OrderedSum sum(communicator, c.slots, parts_of(c.size, c.parts, c.unequal), c.bucket);
    std::vector<Values> nodes;
    std::vector<std::span<Real>> views;
    for (const Slots& node : sum.own_nodes()) nodes.push_back(tree_value(node, c.size));
    for (Values& values : nodes) views.emplace_back(values);
    if (c.beside_work) {
      // The last elements are there first, each rank's at other times.
      Values last = std::exchange(nodes.back(), Values(nodes.back().size(), Real{7}));
      views.back() = nodes.back();
      sum.begin_sum(views);
      const Index stride = 3 + communicator.rank();
      for (Index from = c.size; from > 0;) {
        const Index to = std::exchange(from, std::max<Index>(0, from - stride));
        std::copy(last.begin() + from, last.begin() + to, nodes.back().begin() + from);
        sum.ready(from);
      }
      sum.finish_sum();
      sum.begin_gather(nodes.front());
      const Values whole = tree_value({0, c.slots}, c.size);
      for (Index end = 0; end <= c.size; end += stride) {  // what is waited for is there
        sum.wait_for(end);
        for (Index i = 0; i < end; ++i)
          ASSERT_EQ(nodes.front()[static_cast<size_t>(i)], whole[static_cast<size_t>(i)]);
      }
      sum.finish_gather();
    } else {
      sum.reduce_scatter(views);
      sum.all_gather(nodes.front());
    }
    const std::scoped_lock lock(mutex);
    results[static_cast<size_t>(communicator.rank())] = nodes.front();
    if (bytes != nullptr) (*bytes)[static_cast<size_t>(communicator.rank())] = sum.bytes_sent();
  });
  return results;
}

TEST(OrderedSum, HasTheBitsOfOneRankForAnyNumberOfRanks) {
  for (const Index slots : {1, 2, 3, 8, 13}) {
    for (const Index size : {Index{1}, Index{5}, Index{64}, Index{203}}) {
      const Values whole = tree_value({0, slots}, size);
      for (Index ranks = 1; ranks <= std::min<Index>(slots, 8); ++ranks)
        for (const Index bucket : {Index{7}, Index{1000}})
          for (const bool unequal : {false, true})
            for (const Values& own : summed({slots, ranks, size, bucket, unequal}))
              expect_same_bits(own, whole,
                               fmt::format("{} slots, {} ranks, size {}, bucket {}", slots, ranks,
                                           size, bucket));
    }
  }
}

// While a backward pass goes on, and a forward pass.
TEST(OrderedSum, GoesOnBesideOtherWork) {
  for (const Index ranks : {1, 2, 3, 5, 8})
    for (const Index slots : {8, 13})
      for (const bool unequal : {false, true})
        for (const Values& own : summed({slots, ranks, 203, 7, unequal, /*beside_work=*/true}))
          expect_same_bits(own, tree_value({0, slots}, 203),
                           fmt::format("{} slots, {} ranks", slots, ranks));
}

// As a step does whose only pass reads what the step before it gathers: rank 1 takes part in the
// gather only when rank 0 has announced its next sum.
TEST(OrderedSum, IsAnnouncedWhileItsParametersStillArrive) {
  std::atomic<bool> announced = false;
  run_loopback(
      2,
      [&](Communicator& communicator) {
        OrderedSum sum(communicator, 2, parts_of(50, 4, false), 8);
        Values values = values_of(communicator.rank(), 50), parameters(50);
        for (const ElementRange& part : sum.own_parts())
          std::ranges::fill(part_of(std::span(parameters), part), Real{1});
        const std::span<Real> views[] = {values};
        if (communicator.rank() == 1) announced.wait(false);
        sum.begin_gather(parameters);
        sum.begin_sum(views);
        announced = true;
        announced.notify_all();
        sum.wait_for(50);
        EXPECT_THAT(parameters, Each(Real{1}));
        sum.finish_sum();
        const Values whole = tree_value({0, 2}, 50);
        for (const ElementRange& part : sum.own_parts())
          expect_same_bits(part_of(std::span(values), part), part_of(std::span(whole), part),
                           "own part");
      },
      /*deadline=*/30);
}

// Who leaves in the middle of a sum waits for nobody.
TEST(OrderedSum, IsGivenUpWithTheCaller) {
  EXPECT_ERROR(run_loopback(
                   2,
                   [](Communicator& communicator) {
                     Values values(50);
                     OrderedSum sum(communicator, 2, parts_of(50, 4, false), 8);
                     const std::span<Real> views[] = {values};
                     sum.begin_sum(views);
                     if (communicator.rank() == 0) throw Error("disk full");
                     sum.finish_sum();
                   },
                   /*deadline=*/30),
               "disk full");
}

// A plain loop over ranks, which an engine's reduction may well be, is another order.
TEST(OrderedSum, IsNotTheSumInTheOrderOfRanks) {
  for (const Index ranks : {4, 5, 7}) {
    Values loop = values_of(0, 203);
    for (Index slot = 1; slot < ranks; ++slot)
      for (size_t i = 0; i < loop.size(); ++i) loop[i] += values_of(slot, 203)[i];
    EXPECT_NE(loop, tree_value({0, ranks}, 203));
  }
}

// 2 (n - 1) / n of the size, the least that an all-reduce sends, where both are powers of two.
TEST(OrderedSum, SendsTheLeastThatIsPossibleForPowersOfTwo) {
  constexpr Index kSize = 640;
  for (const Index ranks : {1, 2, 4, 8}) {
    std::vector<double> bytes;
    summed({8, ranks, kSize, 32, false}, &bytes);
    const double n = static_cast<double>(ranks);
    for (const double own : bytes)
      EXPECT_DOUBLE_EQ(own, 2 * (n - 1) / n * kSize * static_cast<double>(sizeof(Real))) << ranks;
  }
  std::vector<double> bytes;  // 13 slots on 4 ranks: up to three nodes each
  summed({13, 4, kSize, 32, false}, &bytes);
  const double least = 2 * 0.75 * kSize * sizeof(Real);
  EXPECT_GT(*std::ranges::max_element(bytes), least);
  EXPECT_LE(*std::ranges::max_element(bytes), 2 * least);
}

TEST(OrderedSum, WantsSlotsForEveryRank) {
  EXPECT_ERROR(summed({2, 3, 10, 4, false}),
               "ranks: 3 of them: expected at most train.slots = 2, as each has slots of its own");
}

// What a launcher says, and what it means to a build without MPI.
TEST(Launcher, IsKnownByItsEnvironment) {
  EXPECT_EQ(launched_ranks(), 1);
  EXPECT_EQ(open_launched_ranks(), nullptr);
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    setenv(name, "3", 1);
    EXPECT_EQ(launched_ranks(), 3);
#ifndef MINILLM_TEST_MPI
    EXPECT_ERROR(open_launched_ranks(), "ranks: 3 were launched: this library was built without");
#endif
    setenv(name, "many", 1);
    EXPECT_EQ(launched_ranks(), 1);
    unsetenv(name);
  }
}

TEST(Loopback, GathersTheSameOnAllRanks) {
  run_loopback(5, [](Communicator& communicator) {
    const double own[] = {static_cast<double>(communicator.rank()), 0.5};
    const std::vector<double> all = all_gather_values(communicator, std::span<const double>(own));
    EXPECT_THAT(all, testing::ElementsAre(0, 0.5, 1, 0.5, 2, 0.5, 3, 0.5, 4, 0.5));
    EXPECT_TRUE(all_gather(communicator, {}).empty());
  });
}

TEST(Loopback, NamesARankThatIsSilent) {
  EXPECT_ERROR(run_loopback(
                   3,
                   [](Communicator& communicator) {
                     if (communicator.rank() == 1) return;
                     const double own[] = {1};
                     all_gather_values(communicator, std::span<const double>(own));
                   },
                   /*deadline=*/0.2),
               "nothing was heard of rank 1 for 0.2 s");
}

TEST(Loopback, EndsEverybodyWithTheFirstError) {
  EXPECT_ERROR(run_loopback(4,
                            [](Communicator& communicator) {
                              if (communicator.rank() == 2) throw Error("rank 2: disk full");
                              const double own[] = {1};
                              all_gather_values(communicator, std::span<const double>(own));
                            }),
               "rank 2: disk full");
}

TEST(Loopback, RefusesAMessageOfAnotherLength) {
  EXPECT_ERROR(
      run_loopback(2,
                   [](Communicator& communicator) {
                     const std::vector<double> own(static_cast<size_t>(1 + communicator.rank()));
                     all_gather_values(communicator, std::span<const double>(own));
                   }),
      "a message of ");
}

}  // namespace
}  // namespace minillm
