#include "libminillm/data/byte_stream.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "libminillm/core/file.h"
#include "libminillm/data/line_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;

std::string read_all(const std::string& path) {
  ByteStream stream(path);
  std::string all;
  char block[1000];
  while (const size_t count = stream.read(block, sizeof block)) all.append(block, count);
  return all;
}

// Packs with the tools that people have; false where there are none.
bool packed(const std::string& command) { return std::system(command.c_str()) == 0; }

std::string some_text() {
  std::string text;
  for (int i = 0; i < 60000; ++i) text += "line " + std::to_string(i * 7919 % 60000) + "\n";
  return text;
}

class Packed : public testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  void SetUp() override {
    const auto [tool, ending] = GetParam();
    if (!packed(std::string("command -v ") + tool + " >/dev/null")) GTEST_SKIP() << "no " << tool;
    plain_ = directory_.write("x.txt", some_text());
    packed_ = plain_ + ending;
    ASSERT_TRUE(packed(std::string(tool) + " -c " + plain_ + " >" + packed_));
  }
  TempDir directory_;
  std::string plain_, packed_;
};

TEST_P(Packed, FilesAreReadAsIfTheyWereNot) {
  EXPECT_EQ(read_all(packed_), some_text());
  // By content, whatever it is called; and one after another.
  const std::string twice = directory_.write("y.txt", read_file(packed_) + read_file(packed_));
  EXPECT_EQ(read_all(twice), some_text() + some_text());
  LineReader lines(packed_);
  int64_t count = 0;
  for (std::string_view line; lines.next(line);) ++count;
  EXPECT_EQ(count, 60000);
}

TEST_P(Packed, DataThatIsCutOffOrDamagedIsNamed) {
  const std::string bytes = read_file(packed_);
  EXPECT_ERROR(read_all(directory_.write("cut", bytes.substr(0, bytes.size() - 7))),
               "data is cut off after");
  EXPECT_ERROR(read_all(directory_.write("cut", bytes.substr(0, bytes.size() / 2))),
               "data is cut off");
  std::string damaged = bytes;
  for (size_t i = bytes.size() / 2; i < bytes.size() / 2 + 40; ++i) damaged[i] ^= 0x55;
  EXPECT_ERROR(read_all(directory_.write("damaged", damaged)), "data is damaged near byte");
}

INSTANTIATE_TEST_SUITE_P(ByteStream, Packed,
                         testing::Values(std::pair("gzip", ".gz"), std::pair("zstd", ".zst")));

TEST(LineReader, CutsLinesThatAreTooLongToHold) {
  const TempDir directory;
  const std::string path =
      directory.write("x", "one\n" + std::string(1000000, 'x') + "\ntwo\n" + std::string(50, 'y'));
  LineReader cutting(path, 10, /*cut=*/true);
  std::string_view line;
  std::vector<std::pair<int64_t, std::string>> lines;
  while (cutting.next(line)) lines.emplace_back(cutting.line_number(), line);
  EXPECT_EQ(lines,
            (std::vector<std::pair<int64_t, std::string>>{
                {1, "one"}, {2, std::string(11, 'x')}, {3, "two"}, {4, std::string(11, 'y')}}));
  LineReader strict(path, 10);
  ASSERT_TRUE(strict.next(line));
  EXPECT_ERROR(strict.next(line), "x:2: line is too long: expected at most 10 bytes");
}

}  // namespace
}  // namespace minillm
