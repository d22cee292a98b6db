#include "libminillm/data/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "libminillm/core/error.h"
#include "libminillm/core/rng.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using testing::ElementsAre;

std::vector<std::tuple<Index, Index, Index, Index>> segments(const TokenBatch& batch) {
  std::vector<std::tuple<Index, Index, Index, Index>> all;
  for (const Segment& s : batch.segments)
    all.emplace_back(s.begin, s.end, s.prefix_begin, s.prefix_end);
  return all;
}
std::vector<std::pair<Index, Token>> targets(const TokenBatch& batch) {
  std::vector<std::pair<Index, Token>> all;
  for (const Target& t : batch.targets) all.emplace_back(t.row, t.token);
  return all;
}
using Segments = std::vector<std::tuple<Index, Index, Index, Index>>;
using Targets = std::vector<std::pair<Index, Token>>;

// Trap: label off by one. Row t's target is token t+1, and the last token is predicted but not fed.
TEST(Packing, EveryTargetIsTheTokenAfterItsRow) {
  TokenBatch batch;
  append_sequence(batch, {{1, 10, 11, 20, 21, 5}, {0, 0, 0, 1, 1, 1}});
  EXPECT_THAT(batch.tokens, ElementsAre(1, 10, 11, 20, 21));
  EXPECT_EQ(segments(batch), (Segments{{0, 5, 0, 0}}));
  EXPECT_EQ(targets(batch), (Targets{{2, 20}, {3, 21}, {4, 5}}));
}

// Trap: loss mask silently lost in packing; texts and positions leaking between neighbours.
TEST(Packing, MaskAndSegmentsSurvivePacking) {
  Rng rng(21);
  for (int round = 0; round < 100; ++round) {
    TokenBatch packed;
    for (uint64_t i = 0; i < 5; ++i) {
      RenderedSequence sequence;
      for (uint64_t n = 2 + rng.below(10); n > 0; --n) {
        sequence.tokens.push_back(static_cast<Token>(rng.below(300)));
        sequence.supervised.push_back(sequence.tokens.size() > 1 && rng.chance(0.4));
      }
      TokenBatch alone;
      append_sequence(alone, sequence);
      const Index row = packed.rows(), target = packed.target_count();
      append_sequence(packed, sequence);

      EXPECT_EQ(packed.target_count() - target, sequence.supervised_count());
      EXPECT_EQ(std::vector<Token>(packed.tokens.begin() + row, packed.tokens.end()), alone.tokens);
      const Segment& segment = packed.segments.back();
      EXPECT_EQ(segment.begin, row);
      EXPECT_EQ(segment.end, packed.rows());
      EXPECT_EQ(segment.prefix_length(), 0);
      for (Index t = 0; t < alone.target_count(); ++t) {
        const Target& found = packed.targets[static_cast<size_t>(target + t)];
        const Target& expected = alone.targets[static_cast<size_t>(t)];
        EXPECT_EQ(found.row, row + expected.row);
        EXPECT_EQ(found.token, expected.token);
        EXPECT_EQ(found.weight, 1);
      }
    }
    EXPECT_EQ(packed.segments.size(), 5u);
  }
}

// Trap: a batch without any target must be valid, not 0/0.
TEST(Packing, AFullyMaskedSequenceHasRowsAndNoTargets) {
  TokenBatch batch;
  append_sequence(batch, {{1, 2, 3}, {0, 0, 0}});
  EXPECT_EQ(batch.rows(), 2);
  EXPECT_EQ(batch.target_count(), 0);
}

TEST(Packing, EveryRowOfAPlainTextPredictsItsSuccessor) {
  TokenBatch batch;
  const std::vector<Token> text = {1, 7, 8, 2};
  append_text(batch, text);
  append_text(batch, text);
  EXPECT_THAT(batch.tokens, ElementsAre(1, 7, 8, 1, 7, 8));
  EXPECT_EQ(segments(batch), (Segments{{0, 3, 0, 0}, {3, 6, 0, 0}}));
  EXPECT_EQ(targets(batch), (Targets{{0, 7}, {1, 8}, {2, 2}, {3, 7}, {4, 8}, {5, 2}}));
}

TEST(Packing, NothingComesFromATextOfOneToken) {
  TokenBatch batch;
  append_text(batch, std::vector<Token>{1});
  append_sequence(batch, {{1}, {0}});
  EXPECT_EQ(batch.rows(), 0);
  EXPECT_TRUE(batch.segments.empty());
}

TEST(Packing, BothAnswersOfAPairContinueTheOnePrompt) {
  TokenBatch batch;
  append_text(batch, std::vector<Token>{1, 9, 9});
  const RenderedPair pair = {{1, 30, 31}, {40, 41, 5}, {50, 5}};
  const PairTargets where = append_pair(batch, pair);
  EXPECT_THAT(batch.tokens, ElementsAre(1, 9, 1, 30, 31, 40, 41, 50));
  EXPECT_EQ(segments(batch), (Segments{{0, 2, 0, 0}, {2, 5, 0, 0}, {5, 7, 2, 5}, {7, 8, 2, 5}}));
  EXPECT_EQ(targets(batch), (Targets{{0, 9}, {1, 9}, {4, 40}, {5, 41}, {6, 5}, {4, 50}, {7, 5}}));
  EXPECT_EQ(where.chosen_begin, 2);
  EXPECT_EQ(where.chosen_end, 5);
  EXPECT_EQ(where.rejected_begin, 5);
  EXPECT_EQ(where.rejected_end, 7);
  EXPECT_EQ(pair_rows(pair), 6);
}

TEST(Packing, AnAnswerOfOneTokenNeedsNoSegment) {
  TokenBatch batch;
  const RenderedPair pair = {{1, 30}, {5}, {40, 5}};
  append_pair(batch, pair);
  EXPECT_THAT(batch.tokens, ElementsAre(1, 30, 40));
  EXPECT_EQ(segments(batch), (Segments{{0, 2, 0, 0}, {2, 3, 0, 2}}));
  EXPECT_EQ(targets(batch), (Targets{{1, 5}, {1, 40}, {2, 5}}));
  EXPECT_EQ(pair_rows(pair), 3);
  EXPECT_ERROR(append_pair(batch, {{1}, {}, {}}), "got 1 tokens, and 0 chosen and 0 rejected ones");
  EXPECT_ERROR(append_pair(batch, {{}, {4}, {5}}), "got 0 tokens, and 1 chosen and 1 rejected");
}

// Trap: truncation that changes the prompt or cuts off the answer. Whole items are dropped instead,
// and they are counted.
TEST(Packing, TailsShareTheirPrefixAndWhatTheyAreFed) {
  TokenBatch batch;
  const std::vector<Token> prefix = {1, 10}, a = {20, 30}, b = {20, 31}, c = {40, 41, 42}, d = {50};
  const Tail tails[] = {{a, 1}, {b, 0}, {c, 2}, {d, 0}};
  EXPECT_TRUE(fed_alike(tails[0], tails[1]));
  EXPECT_FALSE(fed_alike(tails[1], tails[2]));
  append_tails(batch, prefix, tails);
  EXPECT_THAT(batch.tokens, ElementsAre(1, 10, 20, 40, 41));
  EXPECT_EQ(segments(batch), (Segments{{0, 2, 0, 0}, {2, 3, 0, 2}, {3, 5, 0, 2}}));
  EXPECT_EQ(targets(batch), (Targets{{2, 30}, {1, 20}, {2, 31}, {4, 42}, {1, 50}}));
}

TEST(Packing, TooLongItemsAreRemovedWholeAndCounted) {
  std::vector<RenderedSequence> sequences = {{{1, 2, 3}, {0, 0, 1}}, {{1, 2, 3, 4}, {0, 0, 0, 1}}};
  EXPECT_EQ(remove_too_long(sequences, 2), 1);
  ASSERT_EQ(sequences.size(), 1u);
  EXPECT_THAT(sequences[0].tokens, ElementsAre(1, 2, 3));

  std::vector<RenderedPair> pairs = {{{1, 2}, {3, 5}, {4, 4, 5}}, {{1, 2}, {3, 5}, {4, 5}}};
  EXPECT_EQ(remove_too_long(pairs, 3), 1);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_THAT(pairs[0].rejected, ElementsAre(4, 5));
  EXPECT_EQ(remove_too_long(pairs, 2), 1);
}

TEST(PlanEpoch, TakesEveryItemOnceWithinTheBudget) {
  Rng rng(22);
  std::vector<Index> rows(200);
  for (Index& r : rows) r = 1 + static_cast<Index>(rng.below(60));
  rows[7] = 500;
  std::vector<Index> seen;
  for (const auto& batch : plan_epoch(rows, 100, 1, 0)) {
    ASSERT_FALSE(batch.empty());
    Index total = 0;
    for (const Index item : batch) total += rows[static_cast<size_t>(item)];
    EXPECT_TRUE(total <= 100 || batch.size() == 1)
        << "only an item over the budget exceeds it, alone";
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::sort(seen.begin(), seen.end());
  std::vector<Index> all(200);
  std::iota(all.begin(), all.end(), Index{0});
  EXPECT_EQ(seen, all);
}

TEST(PlanEpoch, FillsGreedily) {
  const std::vector<Index> rows(10, 30);
  const BatchPlan plan = plan_epoch(rows, 100, 1, 0);
  ASSERT_EQ(plan.size(), 4u);
  for (size_t b = 0; b < 3; ++b) EXPECT_EQ(plan[b].size(), 3u);
}

TEST(PlanEpoch, DependsOnSeedAndEpochAlone) {
  const std::vector<Index> rows(50, 10);
  EXPECT_EQ(plan_epoch(rows, 40, 1, 3), plan_epoch(rows, 40, 1, 3));
  EXPECT_NE(plan_epoch(rows, 40, 1, 3), plan_epoch(rows, 40, 2, 3));
  EXPECT_NE(plan_epoch(rows, 40, 1, 3), plan_epoch(rows, 40, 1, 4));
}

TEST(BatchSchedule, RunsThroughTheEpochsInOrder) {
  const std::vector<Index> rows(25, 10);
  BatchSchedule schedule(rows, 40, 5);
  const BatchPlan first = plan_epoch(rows, 40, 5, 0), second = plan_epoch(rows, 40, 5, 1);
  ASSERT_EQ(schedule.batches_in_first_epoch(), 7);
  for (Index i = 0; i < 7; ++i) {
    EXPECT_EQ(schedule.at(i), first[static_cast<size_t>(i)]);
    EXPECT_EQ(schedule.at(7 + i), second[static_cast<size_t>(i)]);
  }
  EXPECT_DOUBLE_EQ(schedule.epoch_at(0), 0);
  EXPECT_DOUBLE_EQ(schedule.epoch_at(7), 1);
  EXPECT_DOUBLE_EQ(schedule.epoch_at(8), 1 + 1.0 / 7);
}

TEST(BatchSchedule, GivesTheSameBatchWithoutThoseBefore) {
  const std::vector<Index> rows(25, 10);
  BatchSchedule from_start(rows, 40, 5), resumed(rows, 40, 5);
  std::vector<std::vector<Index>> seen;
  for (Index i = 0; i < 300; ++i) seen.push_back(from_start.at(i));
  EXPECT_EQ(resumed.at(299), seen[299]);
  for (const Index i : {0, 150, 299, 7, 6})
    EXPECT_EQ(resumed.at(i), seen[size_t(i)]) << "back to " << i;
}

TEST(BatchSchedule, KeepsABatchWhileTheNextEpochIsRead) {
  const std::vector<Index> rows(25, 10);
  BatchSchedule schedule(rows, 40, 5);
  const std::vector<Index>& last_of_epoch = schedule.at(6);
  const std::vector<Index> copy = last_of_epoch;
  for (Index i = 7; i < 14; ++i) schedule.at(i);
  EXPECT_EQ(last_of_epoch, copy);
}

// What a schedule keeps does not grow with the run; what it let go is counted again.
TEST(BatchSchedule, FindsItsPlaceInAVeryLongRun) {
  const std::vector<Index> rows{10, 20, 30};
  BatchSchedule schedule(rows, 40, 5);
  const auto first = schedule.at(0);
  Index batch = 0;
  for (Index epoch = 0; epoch < 20000; ++epoch) {
    const BatchPlan plan = plan_epoch(rows, 40, 5, epoch);
    ASSERT_DOUBLE_EQ(schedule.epoch_at(batch), static_cast<double>(epoch));
    for (const auto& items : plan) ASSERT_EQ(schedule.at(batch++), items);
  }
  EXPECT_EQ(schedule.at(0), first);
  EXPECT_EQ(schedule.at(batch - 1), plan_epoch(rows, 40, 5, 19999).back());
}

TEST(BatchSchedule, KnowsItsLargestBatchAndRefusesNone) {
  EXPECT_EQ(BatchSchedule({10, 70, 20}, 40, 1).max_rows(), 70);
  EXPECT_EQ(BatchSchedule({10, 20}, 40, 1).max_rows(), 40);
  EXPECT_ERROR(BatchSchedule({}, 40, 1), "there is nothing to train on");
}

}  // namespace
}  // namespace minillm
