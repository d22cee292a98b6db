#include "libminillm/checkpoint/output_path.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "libminillm/checkpoint/run_directory.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::SampleCheckpoint;
using minillm_testing::TempDir;

TEST(OutputPath, SparesInputsUnderWhateverName) {
  TempDir dir;
  const std::string input = dir.write("data.txt", "text");
  std::filesystem::create_symlink(input, dir.file("link"));
  std::filesystem::create_hard_link(input, dir.file("twin"));
  for (const char* name : {"data.txt", "link", "twin", "./data.txt"})
    EXPECT_ERROR(check_output_path(dir.file(name), {"", input}), "is an input, too");
  EXPECT_NO_THROW(check_output_path(dir.file("new.txt"), {"", input}));
}

TEST(OutputPath, SparesCheckpointsAndRuns) {
  TempDir dir;
  {
    RunDirectory run(dir.file("run"));
    run.save(SampleCheckpoint(1).contents(1), 1);
  }
  dir.write("run/metrics.jsonl", "");
  const std::string checkpoint = dir.file("run/checkpoint-000001");
  for (const char* name : {"model.safetensors", "new.gguf"})
    EXPECT_ERROR(check_output_path(checkpoint + "/" + name, {}), "lies in a checkpoint");
  std::filesystem::create_symlink(checkpoint + "/model.safetensors", dir.file("link"));
  EXPECT_ERROR(check_output_path(dir.file("link"), {}), "lies in a checkpoint");
  for (const char* name : {"LATEST", "metrics.jsonl", ".lock"})
    EXPECT_ERROR(check_output_path(dir.file("run/") + name, {}), "is a file of a run");
  // Beside a run's own files there is room, also for the second time.
  dir.write("run/model.gguf", "");
  EXPECT_NO_THROW(check_output_path(dir.file("run/model.gguf"), {dir.file("run"), checkpoint}));
}

TEST(OutputPath, SparesTheFilesOfAModelThatIsRead) {
  TempDir dir;
  create_directories(dir.file("hf"));
  for (const char* name : {"hf/config.json", "hf/model.safetensors", "hf/old.gguf"})
    dir.write(name, "");
  for (const char* name : {"hf/config.json", "hf/model.safetensors"})
    EXPECT_ERROR(check_output_path(dir.file(name), {dir.file("hf")}), "which is read");
  EXPECT_NO_THROW(check_output_path(dir.file("hf/old.gguf"), {dir.file("hf")}));
  EXPECT_NO_THROW(check_output_path(dir.file("hf/new.json"), {dir.file("hf")}));
}

}  // namespace
}  // namespace minillm
