#include "libminillm/train/resume_check.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

LineageEntry entry(const std::string& config = "[train]\nsteps = 10\nlog_every = 5\n") {
  LineageEntry e;
  e.stage = "sft";
  e.config = config;
  e.hashes = {{"train", std::string(12, 'a')}, {"tokenizer", std::string(12, 'b')}};
  e.parent = std::string(12, 'c');
  e.seed = 1;
  e.steps = 5;
  return e;
}

TEST(ResumeCheck, AcceptsTheSameRunWhateverItsProgress) {
  LineageEntry now = entry();
  now.steps = 0;
  now.library_version = "newer";
  check_same_run(entry(), now, "", "runs/sft");
}

TEST(ResumeCheck, AcceptsOtherIntervalsAndCountsOfWhatIsKept) {
  const std::string before = "[train]\nsteps = 10\nlog_every = 5\n";
  const std::string now =
      "[train]\nsteps = 10\nlog_every = 1\neval_every = 2\nsave_every = 3\nsample_every = "
      "4\nkeep_last = 5\n";
  check_same_run(entry(before), entry(now), "", "runs/sft");
}

TEST(ResumeCheck, NamesEveryKeyThatDiffers) {
  const LineageEntry before = entry("[train]\nsteps = 10\nlearning_rate = 0.1\n");
  const LineageEntry now = entry("[train]\nsteps = 20\nlearning_rate = 0.1\n[data]\nx = 'y'\n");
  EXPECT_ERROR(
      check_same_run(before, now, "", "runs/sft"),
      "run 'runs/sft': cannot resume, because this is another run: data.x was nothing and is "
      "'y'; train.steps was 10 and is 20 (resume with the same config and data, or start a "
      "new run in another directory)");
}

// Otherwise any new field would end every run of earlier versions.
TEST(ResumeCheck, AKeyThatTheRunDidNotKnowHadItsDefault) {
  const std::string defaults = "[train]\nsteps = 0\nspike_window = 128\nspike_action = 'off'\n";
  const LineageEntry before = entry("[train]\nsteps = 10\n");
  const auto check = [&](const std::string& config) {
    check_same_run(before, entry(config), defaults, "r");
  };
  check("[train]\nsteps = 10\nspike_window = 128\nspike_action = 'off'\n");
  EXPECT_ERROR(check("[train]\nsteps = 10\nspike_window = 64\nspike_action = 'skip'\n"),
               "another run: train.spike_action was 'off' and is 'skip'; train.spike_window was "
               "128 and is 64 (");
}

// A run from before there was a choice had AdamW.
TEST(ResumeCheck, NamesAnotherOptimizer) {
  const std::string defaults = "[train]\nsteps = 0\noptimizer = 'adamw'\nembedding_rate = 1.0\n";
  const auto check = [&](const std::string& added) {
    check_same_run(entry("[train]\nsteps = 10\n"), entry("[train]\nsteps = 10\n" + added), defaults,
                   "r");
  };
  check("optimizer = 'adamw'\nembedding_rate = 1.0\n");
  EXPECT_ERROR(check("optimizer = 'muon'\nembedding_rate = 1.0\n"),
               "run 'r': cannot resume, because this is another run: train.optimizer was 'adamw' "
               "and is 'muon' (");
}

TEST(ResumeCheck, AKeyThatIsNoLongerKnownIsNamed) {
  const std::string known = "[train]\nsteps = 10\n";
  EXPECT_ERROR(check_same_run(entry(known + "colour = 'red'\n"), entry(known), known, "r"),
               "another run: train.colour was 'red', but no key is called that now (");
}

TEST(ResumeCheck, NamesOtherStageSeedParentAndData) {
  const auto changed = [](auto change) {
    LineageEntry now = entry();
    change(now);
    check_same_run(entry(), now, "", "r");
  };
  EXPECT_ERROR(changed([](auto& e) { e.stage = "dpo"; }), "the stage was sft and is dpo");
  EXPECT_ERROR(changed([](auto& e) { e.seed = 2; }), "the seed was 1 and is 2");
  EXPECT_ERROR(changed([](auto& e) { e.parent = std::string(12, 'd'); }),
               "the starting checkpoint was cccccccccccc and is dddddddddddd");
  EXPECT_ERROR(changed([](auto& e) { e.hashes["train"] = std::string(12, 'f'); }),
               "the hash of 'train' was aaaaaaaaaaaa and is ffffffffffff");
  EXPECT_ERROR(changed([](auto& e) { e.hashes.erase("tokenizer"); }),
               "the hash of 'tokenizer' was bbbbbbbbbbbb and is nothing");
  EXPECT_ERROR(changed([](auto& e) { e.hashes["replay"] = "1"; }),
               "the hash of 'replay' was nothing and is 1");
}

TEST(ResumeCheck, IsAUsageError) {
  LineageEntry now = entry();
  now.seed = 2;
  try {
    check_same_run(entry(), now, "", "r");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kUsage);
  }
}

}  // namespace
}  // namespace minillm
