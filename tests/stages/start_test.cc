// The start of a run: what earlier attempts have left in its directory, dry runs, and stop requests
// before the first step.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "libminillm/core/scratch_directory.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Said {
  std::string text;
  TrainerEvents events;
  Said() {
    events.on_message = [this](const std::string& message) { text += message + "\n"; };
  }
};

// Events that ask to stop as soon as `work` has begun.
TrainerEvents stop_during(const std::string& work) {
  auto begun = std::make_shared<bool>(false);
  TrainerEvents events;
  events.on_progress = [=](const char* name, double, double) { *begun |= name == work; };
  events.stop_requested = [=] { return *begun; };
  return events;
}

// Where temporary files go for as long as it lives.
struct TemporaryFilesIn {
  explicit TemporaryFilesIn(const std::string& directory, bool exists = true) {
    if (exists) create_directories(directory);
    setenv("TMPDIR", directory.c_str(), 1);
  }
  ~TemporaryFilesIn() {
    if (before.empty())
      unsetenv("TMPDIR");
    else
      setenv("TMPDIR", before.c_str(), 1);
  }
  std::string before = std::getenv("TMPDIR") == nullptr ? "" : std::getenv("TMPDIR");
};

size_t files_in(const std::string& directory) {
  return file_exists(directory) ? list_directory(directory).size() : 0;
}

TEST_F(Stages, ADryRunWritesNothingOfAnyStage) {
  StageOptions options = world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "dry");
  options.dry_run = true;
  const TemporaryFilesIn temporary(world_->file("tmp"));
  EXPECT_EQ(pretrain(small_pretrain(), options, {}), TrainOutcome::kDryRun);
  options = world_->options("sft.jsonl", "sft_eval.jsonl", "dry", "base");
  options.dry_run = true;
  EXPECT_EQ(sft(small_sft(), options, {}), TrainOutcome::kDryRun);
  options = world_->options("preference.jsonl", "preference_eval.jsonl", "dry", "chat");
  options.dry_run = true;
  EXPECT_EQ(run_dpo(options), TrainOutcome::kDryRun);
  EXPECT_FALSE(file_exists(options.out));
  EXPECT_TRUE(list_directory(world_->file("tmp")).empty());
}

TEST_F(Stages, ADryRunLeavesWhatIsThereAsItIs) {
  StageOptions options = world_->options("pretrain.jsonl", "", "dry-beside");
  create_directories(options.out);
  write_file_atomic(join_path(options.out, "notes.txt"), "mine");
  options.dry_run = true;
  EXPECT_EQ(pretrain(small_pretrain(), options, {}), TrainOutcome::kDryRun);
  EXPECT_EQ(list_directory(options.out), std::vector<std::string>{"notes.txt"});
  options.out = world_->file("base");
  const size_t files = files_in(options.out);
  EXPECT_ERROR(pretrain(small_pretrain(), options, {}), "it already holds a run");
  options.eval_files = {world_->file("pretrain_eval.jsonl")};
  options.resume = true;
  EXPECT_EQ(pretrain(small_pretrain(), options, {}), TrainOutcome::kDryRun);
  EXPECT_EQ(files_in(options.out), files);
  options.out = join_path(world_->file("dry-beside"), "notes.txt");
  EXPECT_ERROR(pretrain(small_pretrain(), options, {}), "is a file: expected a directory");
}

// A tokenizer and tokens of other files and settings: a start that failed has left them.
TEST_F(Stages, ARunThatBeginsAnewMakesItsOwnTokenizerAndTokens) {
  StageOptions options = world_->options("pretrain_eval.jsonl", "", "again");
  PretrainConfig config = small_pretrain();
  config.model.vocab_size = 400;
  config.train.batch_tokens = 1'000'000'000;  // does not fit
  EXPECT_ERROR(pretrain(config, options, {}), "memory");
  EXPECT_TRUE(file_exists(join_path(options.out, "train.tokens")));
  options = world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "again");
  Said said;
  pretrain(small_pretrain(), options, said.events);
  EXPECT_THAT(said.text, HasSubstr("training a tokenizer of 600 pieces"));
  EXPECT_THAT(said.text, Not(HasSubstr("reused")));
  EXPECT_EQ(weights("again"), weights("base"));
}

TEST_F(Stages, ARunThatIsContinuedTellsThatItReusesItsTokens) {
  StageOptions options = world_->options("pretrain.jsonl", "pretrain_eval.jsonl", "reused");
  pretrain(small_pretrain(), options, stop_after(3));
  options.resume = true;
  Said said;
  pretrain(small_pretrain(), options, said.events);
  EXPECT_THAT(said.text, HasSubstr("train.tokens: reused, "));
  EXPECT_THAT(said.text, HasSubstr("eval.tokens: reused, "));
  EXPECT_THAT(said.text, Not(HasSubstr("training a tokenizer")));
  EXPECT_EQ(weights("reused"), weights("base"));
}

TEST_F(Stages, AStopRequestBeforeTheFirstStepLeavesNothingHalfWritten) {
  for (const std::string work : {kTrainingTokenizer, "tokenizing"}) {
    const StageOptions options = world_->options("pretrain.jsonl", "", "stopped-" + work);
    try {
      pretrain(small_pretrain(), options, stop_during(work));
      ADD_FAILURE() << work;
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), ExitCode::kInterrupted);
      EXPECT_THAT(e.what(), HasSubstr("pretrain: interrupted before any step (" + work));
    }
    for (const std::string& name : list_directory(options.out))
      EXPECT_TRUE(name == ".lock" || name == "tokenizer.model") << name;
  }
  EXPECT_ERROR(run_dpo(world_->options("preference.jsonl", "", "stopped-dpo", "chat"),
                       stop_during("reference")),
               "dpo: interrupted before any step (reference)");
}

TEST(ScratchDirectory, IsGoneWithAllThatIsInItAndTellsWhyItCannotBe) {
  std::string path;
  {
    const ScratchDirectory scratch;
    path = scratch.path();
    write_file_atomic(join_path(path, "a"), "b");
  }
  EXPECT_FALSE(file_exists(path));
  const TemporaryFilesIn nowhere("/nowhere", false);
  EXPECT_ERROR(ScratchDirectory(), "temporary directory: cannot create one: ");
}

}  // namespace
}  // namespace minillm_testing
