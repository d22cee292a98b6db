#include "libminillm/eval/rank_one.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "libminillm/eval/world_eval.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;
using world::ClozeGroup;
using world::ClozeItem;

TEST(RankOne, CountsWhatChanged) {
  const std::vector<ClozeItem> items(5, {ClozeGroup::kRare, "trade-1", "the goat", " lane"});
  std::vector<ClozeItem> mixed = items;
  mixed[4].group = ClozeGroup::kHard;
  const std::vector<RankOneValue> before = {
      {{1}, true}, {{1}, true}, {{2}, false}, {{2}, false}, {{7, 8}, false}};
  const std::vector<RankOneValue> after = {
      {{1}, true}, {{3}, false}, {{1}, true}, {{2}, false}, {{7, 9}, false}};
  const std::vector<RankOneChange> changes = rank_one_changes(mixed, before, after);
  ASSERT_EQ(changes.size(), 7u);
  std::map<std::string, RankOneChange> groups;
  for (const RankOneChange& change : changes) groups[change.group] = change;
  EXPECT_EQ(changes.front().group, "all");
  const auto counts = [&](const char* group) {
    const RankOneChange& c = groups.at(group);
    return std::vector<int64_t>{c.asked, c.changed, c.known, c.lost, c.gained};
  };
  EXPECT_THAT(counts("all"), testing::ElementsAre(5, 3, 2, 1, 1));
  EXPECT_THAT(counts("rare"), testing::ElementsAre(4, 2, 2, 1, 1));
  EXPECT_THAT(counts("hard"), testing::ElementsAre(1, 1, 0, 0, 0));
  EXPECT_THAT(counts("fair"), testing::ElementsAre(0, 0, 0, 0, 0));
  EXPECT_ERROR(rank_one_changes(items, before, {}), "expected as many values, got 5 and 0");
}

TEST(RankOne, KnownIsWhatTheMetricCounts) {
  world::WorldEvalSet set;
  for (const char* prefix :
       {"the name of the", "a goat", "the mason", "the lane", "the cooper has"})
    for (const char* answer : {" goat", " a", " the", " name", " mason", " lane", "oat and"})
      set.cloze.push_back({ClozeGroup::kFair, "trade-1", prefix, answer});
  const Model model = toy_model(1), other = toy_model(2);
  const auto values = rank_one_values(model, toy_tokenizer(), set.cloze);
  ASSERT_EQ(values.size(), set.cloze.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const std::vector<Token> value = toy_tokenizer().encode(set.cloze[i].answer);
    EXPECT_EQ(values[i].tokens.size(), value.size());
    EXPECT_EQ(values[i].known, values[i].tokens == value);
  }
  const RankOneChange same = rank_one_changes(set.cloze, values, values).front();
  EXPECT_EQ(same.changed, 0);
  for (const world::WorldMetric& metric : evaluate_world(model, toy_tokenizer(), set))
    if (metric.name == "cloze_accuracy") {
      EXPECT_EQ(metric.count, same.known);
    }
  const auto others = rank_one_values(other, toy_tokenizer(), set.cloze);
  EXPECT_GT(rank_one_changes(set.cloze, values, others).front().changed, 0);
}

}  // namespace
}  // namespace minillm
