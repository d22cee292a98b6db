#include "tools/summary_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

TEST(SummaryTable, HasARowAMetricAndADashForWhatWasNotAsked) {
  const minillm_testing::TempDir dir;
  const std::string table = format_summary(dir.write("summary.json", R"(
    {"pretrain": {"list_accuracy": {"value": null, "count": 0, "of": 0},
                  "cloze/fair/x": {"value": 1, "count": 1, "of": 1},
                  "sum_accuracy": {"value": 0.0, "count": 0, "of": 0}},
     "sft": {"list_accuracy": {"value": 0.5, "count": 1, "of": 2}}})"));
  EXPECT_THAT(table, testing::MatchesRegex(" +pretrain +sft\n"
                                           "list_accuracy +- +0\\.500\n"
                                           "sum_accuracy +- +-\n"));
}

TEST(SummaryTable, RefusesWhatIsNoSummaryByName) {
  const minillm_testing::TempDir dir;
  for (const char* text : {"{}", "[]", "3", "null", "[3", "{\"a\": 3}", "{\"a\": {\"b\": 3}}",
                           R"({"a": {"b": {"value": null, "count": 1, "of": 2}}})",
                           R"({"a": {"b": {"value": 1, "of": 1}}, "c": 3})"})
    EXPECT_ERROR(format_summary(dir.write("summary.json", text)), "summary.json': expected");
}

}  // namespace
}  // namespace minillm
