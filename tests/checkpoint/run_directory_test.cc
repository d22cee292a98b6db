#include "libminillm/checkpoint/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libminillm/core/file_calls.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::SampleCheckpoint;
using minillm_testing::TempDir;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunDirectoryTest : public testing::Test {
 protected:
  // Saves a checkpoint whose weights are a function of its step.
  static void save(RunDirectory& run, int64_t step, int64_t keep_last = 100) {
    run.save(SampleCheckpoint(static_cast<uint64_t>(step)).contents(step), keep_last);
  }
  void damage(int64_t step, const std::string& file = "model.safetensors") {
    std::ofstream(join_path(join_path(path_, checkpoint_name(step)), file), std::ios::app) << "x";
  }
  std::vector<std::string> checkpoints() const {
    std::vector<std::string> names = list_directory(path_);
    std::erase_if(names, [](const std::string& name) {
      return name == ".lock" || name == "LATEST" || name == "best";
    });
    return names;
  }
  int64_t opened_step() const { return Checkpoint::open(path_).state()->step; }

  TempDir dir_;
  std::string path_ = dir_.file("runs/a");
};

TEST(CheckpointName, IsItsStep) {
  EXPECT_EQ(checkpoint_name(200), "checkpoint-000200");
  EXPECT_EQ(checkpoint_name(12345678), "checkpoint-12345678");
  EXPECT_EQ(checkpoint_step("checkpoint-000200"), 200);
  EXPECT_EQ(checkpoint_step("checkpoint-12345678"), 12345678);
  for (const char* name : {"checkpoint-", "checkpoint-1x", "checkpoint--1", "checkpoint-../x",
                           "best", "", "checkpoint-1.fresh", "checkpoint-99999999999999999999"}) {
    EXPECT_FALSE(checkpoint_step(name).has_value()) << name;
  }
}

TEST_F(RunDirectoryTest, HasWhatWasSavedLast) {
  RunDirectory run(path_);
  EXPECT_FALSE(run.has_checkpoint());
  save(run, 100);
  save(run, 200);
  EXPECT_TRUE(run.has_checkpoint());
  EXPECT_EQ(read_file(join_path(path_, "LATEST")), "checkpoint-000200\n");
  const Checkpoint checkpoint = Checkpoint::open(path_);
  EXPECT_EQ(checkpoint.path(), join_path(path_, "checkpoint-000200"));
  EXPECT_EQ(checkpoint.path(), run.checkpoint_path(200));
  EXPECT_THAT(checkpoint.warnings(), IsEmpty());
  EXPECT_EQ(checkpoint.state()->step, 200);
  EXPECT_EQ(run.metrics_path(), join_path(path_, "metrics.jsonl"));
}

TEST_F(RunDirectoryTest, BelongsToOneWriterAtATime) {
  RunDirectory run(path_);
  save(run, 1);
  try {
    RunDirectory second(path_);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), ExitCode::kLocked);
  }
  EXPECT_EQ(opened_step(), 1) << "readers need no lock";
}

TEST_F(RunDirectoryTest, KeepsTheNewestAndTheBest) {
  RunDirectory run(path_);
  save(run, 1, 2);
  run.mark_best(1);
  for (int64_t step : {2, 3, 4}) save(run, step, 2);
  EXPECT_THAT(checkpoints(),
              ElementsAre("checkpoint-000001", "checkpoint-000003", "checkpoint-000004"));
  run.mark_best(4);
  save(run, 5, 1);
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000004", "checkpoint-000005"));
  save(run, 6, 0);
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000004", "checkpoint-000006"))
      << "the last one always stays";
}

TEST_F(RunDirectoryTest, RemovesOnlyWhatItWrote) {
  RunDirectory run(path_);
  save(run, 1);
  remove_all(join_path(run.checkpoint_path(1), "MANIFEST.json"));
  create_directories(join_path(path_, "checkpoint-000000"));
  dir_.write("runs/a/notes.txt", "mine");
  save(run, 2, 1);
  save(run, 3, 1);
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000000", "checkpoint-000001",
                                         "checkpoint-000003", "notes.txt"));
}

TEST_F(RunDirectoryTest, FallsBackToTheNewestValidCheckpointAndSaysSo) {
  RunDirectory run(path_);
  for (int64_t step : {1, 2, 3}) save(run, step);
  damage(3);
  {
    const Checkpoint checkpoint = Checkpoint::open(path_);
    EXPECT_EQ(checkpoint.state()->step, 2);
    EXPECT_THAT(
        checkpoint.warnings(),
        ElementsAre(AllOf(HasSubstr("checkpoint-000003/model.safetensors': damaged: expected ")),
                    AllOf(HasSubstr("using '"), HasSubstr("checkpoint-000002' instead"))));
  }
  remove_all(join_path(run.checkpoint_path(2), "MANIFEST.json"));
  EXPECT_EQ(opened_step(), 1) << "one without a manifest is not complete";
  EXPECT_ERROR(Checkpoint::open(run.checkpoint_path(2)),
               "checkpoint-000002': not complete: it has no MANIFEST.json");
  EXPECT_ERROR(Checkpoint::open(run.checkpoint_path(2) + "/"), "not complete");
  EXPECT_ERROR(Checkpoint::open(run.checkpoint_path(3)), "model.safetensors': damaged");
  damage(1, "config.json");
  EXPECT_ERROR(run.has_checkpoint(), "no valid checkpoint: ");  // no new run may overwrite them
  EXPECT_ERROR(Checkpoint::open(path_), "no valid checkpoint: ");
}

TEST_F(RunDirectoryTest, TakesNoCheckpointForDamagedThatMayNotBeRead) {
  RunDirectory run(path_);
  for (int64_t step : {1, 2}) save(run, step);
  const auto refuse = [](const FileCall& call) {
    const bool newest = call.path.find("checkpoint-000002/") != std::string::npos;
    return FileVerdict{newest && call.operation == FileOperation::kOpenToRead ? EMFILE : 0};
  };
  set_file_hook(refuse);
  EXPECT_ERROR(Checkpoint::open(path_), "MANIFEST.json': cannot open: Too many open files");
  EXPECT_ERROR(run.has_checkpoint(), "cannot open: Too many open files");
  EXPECT_ERROR(Checkpoint::open(path_), "checkpoint-000002': the checkpoint before is used then)");
  set_file_hook({});
  EXPECT_EQ(opened_step(), 2);
}

TEST_F(RunDirectoryTest, FollowsLatestAndSurvivesItsLoss) {
  RunDirectory run(path_);
  for (int64_t step : {1, 2}) save(run, step);
  const std::string latest = join_path(path_, "LATEST");
  write_file_atomic(latest, "checkpoint-000001\n");
  EXPECT_EQ(opened_step(), 1);
  for (const char* content : {"", "garbage", "../../elsewhere", "checkpoint-000009\n"}) {
    write_file_atomic(latest, content);
    EXPECT_EQ(opened_step(), 2) << content;
  }
  remove_all(latest);
  EXPECT_EQ(opened_step(), 2);
}

TEST_F(RunDirectoryTest, ReplacesACheckpointOfTheSameStep) {
  RunDirectory run(path_);
  save(run, 1);
  save(run, 2);
  damage(2);
  save(run, 2);  // a run that was rolled back to step 1 gets here again
  EXPECT_THAT(Checkpoint::open(path_).warnings(), IsEmpty());
  EXPECT_EQ(opened_step(), 2);
  run.save(SampleCheckpoint(77).contents(2), 5);
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000001", "checkpoint-000002"));
  const Model loaded = Checkpoint::open(path_).load_model();
  EXPECT_TRUE(std::ranges::equal(loaded.parameters(), SampleCheckpoint(77).model.parameters()));
}

TEST_F(RunDirectoryTest, LeavesCheckpointsOfLaterStepsToTheRunThatComesBy) {
  RunDirectory run(path_);
  for (int64_t step : {1, 9}) save(run, step);
  damage(9);
  save(run, 2, 1);
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000002", "checkpoint-000009"));
  EXPECT_EQ(opened_step(), 2);
}

TEST_F(RunDirectoryTest, AFailedSaveTouchesNothing) {
  RunDirectory run(path_);
  save(run, 1, 1);
  {
    const minillm_testing::FileSizeLimit limit(40000);
    EXPECT_ERROR(save(run, 2, 1), "cannot write: File too large");
    EXPECT_ERROR(save(run, 1, 1), "cannot write: File too large");
  }
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000001"));
  EXPECT_EQ(opened_step(), 1);
  EXPECT_EQ(read_file(join_path(path_, "LATEST")), "checkpoint-000001\n");
}

// A directory as a writer that crashed leaves it: with the mark of one that is not finished, or, as
// it is removed, with its manifest alone.
TEST_F(RunDirectoryTest, RemovesWhatCrashedWritersLeft) {
  {
    RunDirectory run(path_);
    save(run, 1);
    save(run, 2);
  }
  const std::string temporary = "checkpoint-000003.tmp-12-0123456789abcdef";
  for (const auto& [name, mark] : {std::pair(temporary.c_str(), ".minillm-unfinished"),
                                   std::pair(".trash-checkpoint-000000", "MANIFEST.json"),
                                   std::pair("checkpoint-000002.fresh", "MANIFEST.json"),
                                   std::pair("checkpoint-000002.replaced", "MANIFEST.json")}) {
    create_directories(join_path(path_, name));
    dir_.write("runs/a/" + std::string(name) + "/" + mark, "");
  }
  create_directories(join_path(path_, "checkpoint-000004.tmp-12-0123456789abcdef"));
  dir_.write("runs/a/LATEST.tmp-12-0123456789abcdef", "checkpoint-0000");
  const RunDirectory run(path_);
  EXPECT_EQ(checkpoints().size(), 8u) << "nothing goes before the run begins";
  run.remove_leftovers();
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000001", "checkpoint-000002"));
  EXPECT_EQ(opened_step(), 2);
}

// Names alone do not make a file or a directory this library's own.
TEST_F(RunDirectoryTest, NeverTouchesWhatItDidNotWrite) {
  const std::vector<std::string> names = {".trash-checkpoint-000001",
                                          ".trash-mine",
                                          "backup.tmp-2024-01-05",
                                          "checkpoint-000001.fresh",
                                          "checkpoint-000001.replaced",
                                          "checkpoint-000001.tmp-1-0",
                                          "checkpoint-000001.tmp-1-0123456789abcdef",
                                          "old.replaced",
                                          "photos.fresh"};
  for (const std::string& name : names) {
    create_directories(join_path(path_, name));
    dir_.write("runs/a/" + name + "/photo", "x");
  }
  for (const char* name : {"notes.tmp-12-0123456789abcdef", "LATEST.tmp-old", "LATEST.fresh"})
    dir_.write("runs/a/" + std::string(name), "mine");
  const std::string outside = dir_.file("outside");
  create_directories(outside);
  dir_.write("outside/MANIFEST.json", "");
  std::filesystem::create_symlink(outside, join_path(path_, "checkpoint-000007.fresh"));
  const std::vector<std::string> before = checkpoints();
  RunDirectory run(path_);
  run.remove_leftovers();
  EXPECT_EQ(checkpoints(), before);
  for (const std::string& name : names)
    EXPECT_TRUE(file_exists(join_path(path_, name) + "/photo")) << name;
  EXPECT_TRUE(file_exists(outside + "/MANIFEST.json"));
}

TEST_F(RunDirectoryTest, SavesNothingIntoADirectoryThatWasMovedReplacedOrUnlocked) {
  const auto expect_refused = [&](RunDirectory& run) {
    EXPECT_ERROR(save(run, 2), "not the one that this process has locked");
    EXPECT_ERROR(run.mark_best(1), "not the one that this process has locked");
  };
  RunDirectory run(path_);
  save(run, 1);
  std::filesystem::rename(path_, path_ + "-moved");
  expect_refused(run);
  EXPECT_FALSE(file_exists(path_)) << "none is made in its place";
  const RunDirectory other(path_);  // another run there
  expect_refused(run);
  EXPECT_FALSE(file_exists(join_path(path_, "LATEST")));
  std::filesystem::remove_all(path_);
  std::filesystem::rename(path_ + "-moved", path_);
  save(run, 2);
  std::filesystem::remove(join_path(path_, ".lock"));
  EXPECT_ERROR(save(run, 3), "not the one that this process has locked");
}

TEST_F(RunDirectoryTest, OpensNoFileThroughALink) {
  const std::string victim = dir_.write("victim", "precious");
  create_directories(path_);
  std::filesystem::create_symlink(victim, join_path(path_, ".lock"));
  EXPECT_ERROR(RunDirectory run(path_), ".lock");
  std::filesystem::remove(join_path(path_, ".lock"));
  std::filesystem::create_hard_link(victim, join_path(path_, ".lock"));
  EXPECT_ERROR(RunDirectory run(path_), ".lock': cannot write: it has another name");
  std::filesystem::remove(join_path(path_, ".lock"));
  ASSERT_EQ(mkfifo(join_path(path_, ".lock").c_str(), 0666), 0);
  EXPECT_ERROR(RunDirectory run(path_), ".lock': cannot write: expected a file, got a pipe");
  std::filesystem::remove(join_path(path_, ".lock"));
  // What is replaced as a whole replaces the link.
  std::filesystem::create_symlink(victim, join_path(path_, "LATEST"));
  RunDirectory run(path_);
  save(run, 1);
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_FALSE(std::filesystem::is_symlink(join_path(path_, "LATEST")));
}

TEST_F(RunDirectoryTest, RestoresACheckpointWhoseReplacementNeverCame) {
  {
    RunDirectory run(path_);
    save(run, 1);
  }
  // What a crash between the two renames of a replacement leaves.
  rename_durable(join_path(path_, "checkpoint-000001"),
                 join_path(path_, "checkpoint-000001.replaced"));
  create_directories(join_path(path_, "checkpoint-000001.fresh"));
  const RunDirectory run(path_);
  run.remove_leftovers();
  EXPECT_THAT(checkpoints(), ElementsAre("checkpoint-000001"));
  EXPECT_EQ(opened_step(), 1);
}

// A reader may be opening the checkpoint that the writer has just removed.
TEST_F(RunDirectoryTest, IsReadWhileCheckpointsRotate) {
  RunDirectory run(path_);
  save(run, 1, 1);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int64_t step = 2; step <= 60; ++step) save(run, step, 1);
    done = true;
  });
  int64_t reads = 0, last = 0;
  while (!done) {
    int64_t step = 0;
    EXPECT_NO_THROW(step = opened_step());
    EXPECT_GE(step, last);
    last = step;
    ++reads;
  }
  writer.join();
  EXPECT_GT(reads, 0);
  EXPECT_EQ(opened_step(), 60);
}

}  // namespace
}  // namespace minillm
