// What a caller can get wrong about a batch is an error with numbers, before any kernel reads it.

#include <gtest/gtest.h>

#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

class ModelErrors : public testing::Test {
 protected:
  ModelErrors() {
    minillm_testing::append_shared_prompt(batch_, std::vector<Token>{1, 2, 3},
                                          std::vector<std::vector<Token>>{{4, 5}, {6}});
  }
  void expect_error(const std::string& message, KvCache* cache = nullptr) {
    EXPECT_ERROR(model_.forward(batch_, workspace_, cache), message);
  }

  Model model_ = minillm_testing::random_model(minillm_testing::tiny_config());
  Workspace workspace_{minillm_testing::tiny_config(), 40, 40, Workspace::Mode::kTraining};
  TokenBatch batch_;  // rows 0-2 a prompt, 3-4 and 5 its answers
};

TEST_F(ModelErrors, TheBatchOfTheseTestsIsAcceptedAsItIs) {
  model_.forward(batch_, workspace_);
  EXPECT_EQ(model_.log_probs(batch_, workspace_).size(), 3u);
}

TEST_F(ModelErrors, AnEmptyBatchIsAccepted) {
  batch_.clear();
  model_.forward(batch_, workspace_);
  EXPECT_TRUE(model_.log_probs(batch_, workspace_).empty());
  model_.backward(batch_, {}, workspace_);
  for (const Real g : model_.gradients()) ASSERT_EQ(g, 0);
}

TEST_F(ModelErrors, TokenOutsideTheVocabulary) {
  batch_.tokens[4] = 11;
  expect_error("model: token id 11: expected 0 to 10");
  batch_.tokens[4] = -1;
  expect_error("model: token id -1: expected 0 to 10");
}

TEST_F(ModelErrors, BatchLargerThanTheWorkspace) {
  batch_ = minillm_testing::random_batch({20, 21}, 11);
  expect_error("model: batch of 41 rows: workspace has room for 40");
}

TEST_F(ModelErrors, SegmentsThatDoNotCoverTheBatchInOrder) {
  batch_.segments[1].begin = 2;
  expect_error("model: segment [2, 5): expected it to begin at row 3");
  batch_.segments[1].begin = 4;
  expect_error("model: segment [4, 5): expected it to begin at row 3");
  batch_.segments[1] = {3, 3, 0, 0};
  expect_error("model: segment [3, 3): expected it to begin at row 3");
  batch_.segments[1] = {3, 5, 0, 3};
  batch_.segments[2].end = 7;
  expect_error("model: segments cover 7 rows: expected all 6");
  batch_.segments.pop_back();
  expect_error("model: segments cover 5 rows: expected all 6");
  batch_.segments.clear();
  expect_error("model: segments cover 0 rows: expected all 6");
}

TEST_F(ModelErrors, PrefixThatIsNotBehindTheSegment) {
  batch_.segments[1].prefix_end = 4;
  expect_error("model: prefix [0, 4): expected it within the first 3 rows");
  batch_.segments[1] = {3, 5, -1, 2};
  expect_error("model: prefix [-1, 2): expected it within the first 3 rows");
  batch_.segments[1] = {3, 5, 2, 1};
  expect_error("model: prefix [2, 1): expected it within the first 3 rows");
}

TEST_F(ModelErrors, PrefixThatIsNotTheBeginningOfAPlainSegment) {
  const std::string rule =
      "expected the first rows of an earlier segment that has no prefix itself";
  batch_.segments = {{0, 3, 0, 0}, {3, 5, 1, 3}, {5, 6, 0, 0}};
  expect_error("model: prefix [1, 3): " + rule);
  batch_.segments = {{0, 2, 0, 0}, {2, 4, 0, 0}, {4, 6, 0, 4}};
  expect_error("model: prefix [0, 4): " + rule);
  batch_.segments = {{0, 2, 0, 0}, {2, 4, 0, 2}, {4, 6, 2, 4}};
  expect_error("model: prefix [2, 4): " + rule);
}

TEST_F(ModelErrors, PrefixAndNewRowsThatDoNotFitTheCache) {
  KvCache cache(model_.config(), 10);
  batch_ = {{1, 2}, {{0, 2, 0, 9}}, {}};
  expect_error("model: prefix [0, 9): expected it within the first 8 rows", &cache);
  batch_.segments[0].prefix_end = 8;
  model_.forward(batch_, workspace_, &cache);
}

TEST_F(ModelErrors, SequenceLongerThanTheModelIsMeantFor) {
  batch_ = minillm_testing::random_batch({33}, 11);
  expect_error("model: sequence of 33 tokens: expected at most max_position_embeddings = 32");
  batch_ = minillm_testing::random_batch({30, 3}, 11);
  batch_.segments[1].prefix_end = 30;
  expect_error("model: sequence of 33 tokens: expected at most max_position_embeddings = 32");
}

TEST_F(ModelErrors, TargetOutsideTheBatchOrTheVocabulary) {
  model_.forward(batch_, workspace_);
  batch_.targets[0] = {6, 3, 1};
  EXPECT_ERROR(model_.log_probs(batch_, workspace_),
               "model: target (row 6, token 3): expected row 0 to 5, token 0 to 10");
  batch_.targets[0] = {2, 11, 1};
  EXPECT_ERROR(model_.log_probs(batch_, workspace_),
               "model: target (row 2, token 11): expected row 0 to 5, token 0 to 10");
  batch_.targets[0] = {-1, 0, 1};
  EXPECT_ERROR(model_.log_probs(batch_, workspace_),
               "model: target (row -1, token 0): expected row 0 to 5, token 0 to 10");
}

TEST_F(ModelErrors, MoreTargetsThanTheWorkspaceHasRoomFor) {
  model_.forward(batch_, workspace_);
  batch_.targets.resize(41, batch_.targets[0]);
  EXPECT_ERROR(model_.log_probs(batch_, workspace_),
               "model: batch of 41 targets: workspace has room for 40");
}

TEST_F(ModelErrors, ARejectedBatchLeavesTheNextOneIntact) {
  const std::vector<Real> expected = minillm_testing::run_forward(model_, batch_).logp;
  TokenBatch bad = batch_;
  bad.tokens[5] = 99;
  EXPECT_ERROR(model_.forward(bad, workspace_), "token id 99");
  model_.forward(batch_, workspace_);
  minillm_testing::expect_same_bits(model_.log_probs(batch_, workspace_), expected, "logp");
}

}  // namespace
}  // namespace minillm
