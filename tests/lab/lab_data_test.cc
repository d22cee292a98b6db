#include "libminillm/lab/lab_data.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libminillm/core/file.h"
#include "tests/testing/temp_dir.h"

namespace minillm::lab {
namespace {

class LabFiles : public testing::Test {
 protected:
  LabData data() {
    world::WorldOptions sizes;
    sizes.sft_rows = 60;
    sizes.pairs = 12;
    sizes.replay_facts = 5;
    return {directory_.path(), "a", sizes};
  }
  minillm_testing::TempDir directory_;
};

TEST_F(LabFiles, TheFirstRowsAreTheHeadOfTheFile) {
  const std::string path = data().file("preference", "preference.jsonl", {}, 1);
  const std::string all = read_file(path);
  const std::string three = read_file(LabData::first_rows(path, 3));
  EXPECT_EQ(std::count(three.begin(), three.end(), '\n'), 3);
  EXPECT_TRUE(all.starts_with(three));
  EXPECT_EQ(read_file(LabData::first_rows(path, 12)), all);
  EXPECT_EQ(read_file(LabData::first_rows(path, 13)), all) << "there are not so many";

  const std::string cut = directory_.file("cut.txt");
  write_file_atomic(cut, "a\nb");
  EXPECT_EQ(read_file(LabData::first_rows(cut, 2)), "a\nb") << "the last line does not end";
}

TEST_F(LabFiles, WithoutPoliteFactsTheRestIsTheSame) {
  const std::string path = data().file("replay", "replay.jsonl", {}, 1);
  const std::string plain_path =
      data().without_polite_facts().file("replay", "replay.jsonl", {}, 1);
  EXPECT_NE(plain_path, path);
  const std::string all = read_file(path), plain = read_file(plain_path);
  EXPECT_TRUE(all.starts_with(plain));
  const std::string polite = all.substr(plain.size());
  EXPECT_EQ(std::count(polite.begin(), polite.end(), '\n'), 5);
}

}  // namespace
}  // namespace minillm::lab
