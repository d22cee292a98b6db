#include "tools/summary_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace minillm {
namespace {

TEST(SummaryTable, HasARowAFigureAndADashForWhatWasNotAsked) {
  report::ReportFigures figures;
  figures.columns = {"pretrain", "sft"};
  figures.rows = {{"list_accuracy", "form", "", false, {{0, 0, 0}, {0.5, 1, 2}}},
                  {"sum_accuracy", "form", "", false, {{}, {}}}};
  EXPECT_THAT(summary_table(figures), testing::MatchesRegex(" +pretrain +sft\n"
                                                            "list_accuracy +- +0\\.500\n"
                                                            "sum_accuracy +- +-\n"));
}

}  // namespace
}  // namespace minillm
