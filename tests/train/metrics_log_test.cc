#include "libminillm/train/metrics_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "libminillm/core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;

TEST(MetricsLog, WritesOneObjectPerLine) {
  TempDir dir;
  MetricsLog log(dir.file("m.jsonl"), 0);
  log.append(metrics_to_json({{"step", 10}, {"loss", 1.25}, {"rewards/margins", -1e-7}}));
  log.append(metrics_to_json({{"step", 20}}));
  EXPECT_EQ(read_file(dir.file("m.jsonl")),
            "{\"step\":10,\"loss\":1.25,\"rewards/margins\":-1e-07}\n{\"step\":20}\n");
  EXPECT_EQ(log.offset(), file_size(dir.file("m.jsonl")));
}

TEST(MetricsLog, WritesNullForWhatIsNoNumber) {
  EXPECT_EQ(metrics_to_json({{"a", std::numeric_limits<double>::quiet_NaN()},
                             {"b", std::numeric_limits<double>::infinity()},
                             {"c \"d\"", 0.1}}),
            R"({"a":null,"b":null,"c \"d\"":0.1})");
  EXPECT_EQ(metrics_to_json({{"time", 1700000000123}}), R"({"time":1700000000123})");
}

TEST(MetricsLog, DropsWhatWasWrittenBehindTheOffset) {
  TempDir dir;
  const std::string path = dir.write("m.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"st");
  MetricsLog log(path, 11);
  EXPECT_EQ(log.offset(), 11u);
  log.append(metrics_to_json({{"step", 3}}));
  EXPECT_EQ(read_file(path), "{\"step\":1}\n{\"step\":3}\n");
}

TEST(MetricsLog, GoesOnWithAFileThatIsShorterThanTheOffset) {
  TempDir dir;
  const std::string path = dir.write("m.jsonl", "{\"step\":1}\n");
  MetricsLog log(path, 1000);
  log.append(metrics_to_json({{"step", 3}}));
  EXPECT_EQ(read_file(path), "{\"step\":1}\n{\"step\":3}\n");
  EXPECT_EQ(log.offset(), 22u);
}

TEST(MetricsLog, NamesTheFileWhenTheDiskIsFull) {
  TempDir dir;
  MetricsLog log(dir.file("m.jsonl"), 0);
  log.append(metrics_to_json({{"step", 1}}));
  const uint64_t good = log.offset();
  {
    const minillm_testing::FileSizeLimit full(good + 4);
    EXPECT_ERROR(log.append(metrics_to_json({{"step", 2}})), "m.jsonl': cannot write");
    EXPECT_ERROR(log.append(metrics_to_json({{"step", 3}})), "m.jsonl': cannot write");
    EXPECT_ERROR(log.sync(), "m.jsonl': cannot write");
  }
  // The lines were kept, and the file goes on where it was cut off.
  log.append(metrics_to_json({{"step", 4}}));
  EXPECT_EQ(read_file(dir.file("m.jsonl")),
            "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n");
  EXPECT_EQ(log.offset(), file_size(dir.file("m.jsonl")));
  // Of a run that ended instead, the checkpoint's offset says what was whole.
  MetricsLog(dir.file("m.jsonl"), good).append(metrics_to_json({{"step", 2}}));
  EXPECT_EQ(read_file(dir.file("m.jsonl")), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(MetricsLog, NamesTheFileItCannotWrite) {
  TempDir dir;
  EXPECT_ERROR(MetricsLog(dir.file("missing/m.jsonl"), 0), "missing/m.jsonl");
}

}  // namespace
}  // namespace minillm
