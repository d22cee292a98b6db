// One byte of one file of the newest checkpoint is changed, or the file is cut off: it is noticed
// and named, and the previous checkpoint is used.

#include <gtest/gtest.h>

#include <fstream>

#include "libminillm/core/error.h"
#include "libminillm/core/rng.h"
#include "tests/reliability/small_runs.h"

namespace minillm_testing {
namespace {

using namespace minillm;

class Corruption : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    minillm::set_thread_count(1);
    data_ = new TempDir();
    prepare_small_stages(data_->path());
  }
  static void TearDownTestSuite() { delete data_; }
  static TempDir* data_;
};
TempDir* Corruption::data_ = nullptr;

std::string damaged(const std::string& bytes, Rng& rng) {
  if (bytes.empty() || rng.below(4) == 0) return bytes.substr(0, rng.below(bytes.size() + 1));
  std::string other = bytes;
  char& byte = other[rng.below(bytes.size())];
  byte = static_cast<char>(byte ^ (1 + rng.below(255)));
  return other;
}

TEST_F(Corruption, IsNoticedNamedAndTheCheckpointBeforeIsUsed) {
  const std::string run = data_->file("chat");
  const std::string newest = Checkpoint::open(run).path();
  const Index step = Checkpoint::open(run).state()->step;
  const std::vector<std::string> files = list_directory(newest);
  std::map<std::string, std::string> intact;
  for (const std::string& name : files) intact[name] = read_file(join_path(newest, name));

  const int wanted = cases(1'500, 100'000);
  Rng rng(1);
  int tried = 0;
  while (tried < wanted) {
    const std::string& name = files[rng.below(files.size())];
    const std::string bytes = damaged(intact[name], rng);
    if (bytes == intact[name]) continue;
    ++tried;
    std::ofstream(join_path(newest, name), std::ios::binary) << bytes;
    const Checkpoint checkpoint = Checkpoint::open(run);
    ASSERT_LT(checkpoint.state()->step, step) << name;
    ASSERT_EQ(checkpoint.warnings().size(), 2u) << name;
    // A changed digit of a hash in the manifest is blamed on the file it belongs to.
    const std::string& named = name == "MANIFEST.json" ? newest : name;
    ASSERT_NE(checkpoint.warnings()[0].find(named), std::string::npos) << checkpoint.warnings()[0];
    ASSERT_NE(checkpoint.warnings()[1].find("using '"), std::string::npos);
    std::ofstream(join_path(newest, name), std::ios::binary) << intact[name];
  }
  EXPECT_EQ(Checkpoint::open(run).path(), newest);
  std::printf("%d mutations of %zu files\n", tried, files.size());
}

}  // namespace
}  // namespace minillm_testing
