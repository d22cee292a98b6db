// The order in which a step's gradient is added up, and that it depends on the slots alone.

#include "libminillm/train/gradient_sum.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "libminillm/core/rng.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/train/test_run.h"

namespace minillm_testing {
namespace {

using minillm::append_nodes_in;
using minillm::GradientSum;
using minillm::height_of;
using minillm::left_of;
using minillm::right_of;
using minillm::Rng;
using minillm::Slots;
using minillm::slots_of_rank;

using Values = std::vector<Real>;

// Numbers of very different sizes, so that every other order of additions gives other bits.
Values values_of(Index slot, size_t size = 41) {
  Rng rng(17, static_cast<uint64_t>(slot));
  Values values(size);
  for (Real& v : values)
    v = static_cast<Real>(rng.normal() * std::pow(10.0, static_cast<double>(rng.below(9)) - 4));
  return values;
}

// As the definition has it.
Values tree_value(Slots node, const std::function<Values(Slots)>& held) {
  Values known = held(node);
  if (!known.empty()) return known;
  const Values left = tree_value(left_of(node), held), right = tree_value(right_of(node), held);
  Values sum(left.size());
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = left[i] + right[i];
  return sum;
}
Values tree_value(Slots node) {
  return tree_value(
      node, [](Slots part) { return part.count() == 1 ? values_of(part.begin) : Values(); });
}

TEST(SumTree, IsCutAtTheLargestPowerOfTwoBelow) {
  EXPECT_EQ(left_of({0, 7}), (Slots{0, 4}));
  EXPECT_EQ(right_of({0, 7}), (Slots{4, 7}));
  EXPECT_EQ(left_of({4, 7}), (Slots{4, 6}));
  EXPECT_EQ(left_of({0, 8}), (Slots{0, 4}));
  EXPECT_EQ(left_of({0, 2}), (Slots{0, 1}));
  EXPECT_EQ(height_of({0, 1}), 0);
  EXPECT_EQ(height_of({0, 8}), 3);
  EXPECT_EQ(height_of({0, 9}), 4);
}

// Whoever adds which nodes: the largest ones that n ranks hold give the value of the whole tree.
TEST(SumTree, HasOneValueForAnyNumberOfRanks) {
  for (const Index slots : {1, 2, 3, 8, 13, 64}) {
    const Values whole = tree_value({0, slots});
    for (Index ranks = 1; ranks <= std::min<Index>(slots, 9); ++ranks) {
      std::map<Index, std::pair<Index, Values>> held;  // by a node's beginning: its end and value
      Index next = 0;
      for (Index rank = 0; rank < ranks; ++rank) {
        const Slots own = slots_of_rank(slots, rank, ranks);
        EXPECT_EQ(own.begin, next);
        next = own.end;
        std::vector<Slots> nodes;
        append_nodes_in(own, {0, slots}, nodes);
        for (const Slots& node : nodes) held[node.begin] = {node.end, tree_value(node)};
      }
      EXPECT_EQ(next, slots);
      const Values sum = tree_value({0, slots}, [&](Slots node) {
        const auto found = held.find(node.begin);
        return found != held.end() && found->second.first == node.end ? found->second.second
                                                                      : Values();
      });
      expect_same_bits(sum, whole, fmt::format("{} slots on {} ranks", slots, ranks));
    }
  }
}

TEST(GradientSum, AddsSlotsInTheOrderOfTheTree) {
  for (const Index slots : {1, 2, 3, 5, 8, 13}) {
    Values gradients(41, Real{7});  // of a step before
    GradientSum sum(gradients, slots);
    std::vector<Index> visited;
    for (int step = 0; step < 2; ++step) {
      visited.clear();
      sum.run({0, slots}, [&](Index slot) {
        visited.push_back(slot);
        EXPECT_THAT(gradients, testing::Each(Real{0}));
        std::ranges::copy(values_of(slot), gradients.begin());
      });
      expect_same_bits(gradients, tree_value({0, slots}), fmt::format("{} slots", slots));
    }
    for (Index s = 0; s < slots; ++s) EXPECT_EQ(visited[static_cast<size_t>(s)], s);
    EXPECT_EQ(std::ssize(visited), slots);
  }
  // It is not the order of a loop.
  Values in_place(41);
  for (Index s = 0; s < 13; ++s)
    for (size_t i = 0; i < in_place.size(); ++i) in_place[i] += values_of(s)[i];
  EXPECT_NE(in_place, tree_value({0, 13}));
}

TEST(GradientSum, DividesMicroBatchesAmongSlotsInOrder) {
  for (const Index count : {1, 3, 8, 13}) {
    Index next = 0;
    for (Index slot = 0; slot < 8; ++slot) {
      const Slots own = GradientSum::micro_batches_of(slot, 8, count);
      EXPECT_EQ(own.begin, next);
      next = own.end;
    }
    EXPECT_EQ(next, count);
  }
}

// --- in a run

TrainConfig eight_micro_batches(int64_t slots) {
  TrainConfig config;
  config.steps = 3;
  config.accumulation_steps = 8;
  config.slots = slots;
  config.schedule.learning_rate = 1e-2;
  config.log_every = 1;
  return config;
}

TEST(TrainerSlots, AreThePartsThatAStepsGradientIsAddedUpFrom) {
  CopyTask task, parts;
  TrainConfig config = eight_micro_batches(4);
  config.steps = 1;
  TestRun run;
  parts.accumulation = 8;
  // What each pair of micro-batches gives from zero.
  std::vector<Values> slots;
  for (Index slot = 0; slot < 4; ++slot) {
    std::ranges::fill(parts.model.gradients(), Real{0});
    minillm::TrainingTask one = parts.stage();
    for (Index i = 2 * slot; i < 2 * slot + 2; ++i) one.micro_step(i);
    slots.push_back(copy(parts.model.gradients()));
  }
  run.train(task, config);
  expect_same_bits(task.model.gradients(),
                   tree_value({0, 4},
                              [&](Slots node) {
                                return node.count() == 1 ? slots[static_cast<size_t>(node.begin)]
                                                         : Values();
                              }),
                   "gradient");
}

TEST(TrainerSlots, OneIsEverythingInPlace) {
  CopyTask task, by_hand;
  TrainConfig config = eight_micro_batches(1);
  config.steps = 1;
  TestRun run;
  by_hand.accumulation = 8;
  minillm::TrainingTask one = by_hand.stage();
  std::ranges::fill(by_hand.model.gradients(), Real{0});
  for (Index i = 0; i < 8; ++i) one.micro_step(i);
  run.train(task, config);
  expect_same_bits(task.model.gradients(), by_hand.model.gradients(), "gradient");
}

TEST(TrainerSlots, AreAPartOfTheRun) {
  std::vector<Values> ends;
  std::vector<double> losses;
  for (const int64_t slots : {1, 8, 3}) {
    CopyTask task;
    TestRun run;
    run.train(task, eight_micro_batches(slots));
    ends.push_back(copy(task.model.parameters()));
    losses.push_back(run.reports.back().loss);
  }
  EXPECT_NE(ends[0], ends[1]);
  EXPECT_NE(ends[1], ends[2]);
  EXPECT_NEAR(losses[0], losses[1], 1e-5);
  EXPECT_NEAR(losses[0], losses[2], 1e-5);
  CopyTask task;
  TestRun run;
  EXPECT_ERROR(run.train(task, eight_micro_batches(9)),
               "train.slots: expected at most train.accumulation_steps = 8");
  EXPECT_ERROR(run.train(task, eight_micro_batches(0)), "train.slots: expected 1 to");
}

}  // namespace
}  // namespace minillm_testing
