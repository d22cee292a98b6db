// What a tool says where mpirun has bound a rank to fewer processors than its share.

#include "tools/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace minillm {
namespace {

TEST(BindingWarning, NamesARankThatHasLessThanItsShare) {
  EXPECT_THAT(binding_warning(1, 64, 2, 1),
              testing::StartsWith("warning: this rank may use 1 of 64 processors for 1 thread, "
                                  "with 2 ranks on this machine"));
  EXPECT_THAT(binding_warning(2, 4, 1, 8), testing::HasSubstr("for 8 threads, with 1 rank on"));
}

TEST(BindingWarning, SaysNothingOfAFairShare) {
  EXPECT_EQ(binding_warning(32, 64, 2, 32), "");
  EXPECT_EQ(binding_warning(1, 2, 2, 1), "");
  EXPECT_EQ(binding_warning(2, 2, 5, 1), "");  // more ranks than processors
}

}  // namespace
}  // namespace minillm
