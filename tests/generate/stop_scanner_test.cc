#include "libminillm/generate/stop_scanner.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

// The text shown when `text` arrives in pieces of `size` bytes, and whether it was stopped.
std::string scan(const std::string& text, const std::vector<std::string>& stop, size_t size,
                 bool* stopped = nullptr) {
  StopScanner scanner(stop);
  std::string shown;
  for (size_t i = 0; i < text.size(); i += size) shown += scanner.push(text.substr(i, size));
  shown += scanner.finish();
  if (stopped != nullptr) *stopped = scanner.stopped();
  return shown;
}

TEST(StopScanner, WithoutStopStringsPassesEverythingOnAtOnce) {
  StopScanner scanner({});
  EXPECT_EQ(scanner.push("any text\n"), "any text\n");
  EXPECT_EQ(scanner.finish(), "");
}

TEST(StopScanner, CutsBeforeTheStopStringHoweverItIsDivided) {
  for (size_t size = 1; size <= 20; ++size) {
    bool stopped = false;
    EXPECT_EQ(scan("one END two END", {"END"}, size, &stopped), "one ");
    EXPECT_TRUE(stopped);
    EXPECT_EQ(scan("aaab", {"aab"}, size), "a");
    EXPECT_EQ(scan("abcde", {"bcde", "cd"}, size), "ab");  // "cd" ends first
    EXPECT_EQ(scan("xab", {"b", "ab"}, size), "x");        // the longer of two that end together
  }
}

TEST(StopScanner, HoldsBackWhatMayBecomeAStopString) {
  StopScanner scanner({"\n\nUser:"});
  EXPECT_EQ(scanner.push("Hello\n"), "Hello");
  EXPECT_EQ(scanner.push("\nUs"), "");
  EXPECT_EQ(scanner.push("e it"), "\n\nUse it");
  EXPECT_EQ(scanner.push("\n"), "");
  EXPECT_EQ(scanner.finish(), "\n");
  EXPECT_FALSE(scanner.stopped());
}

TEST(StopScanner, ShowsNothingAfterTheStop) {
  StopScanner scanner({"."});
  EXPECT_EQ(scanner.push("a. b"), "a");
  EXPECT_EQ(scanner.push("c"), "");
  EXPECT_EQ(scanner.finish(), "");
}

TEST(StopScanner, RefusesAnEmptyStopString) {
  EXPECT_ERROR(StopScanner({""}), "got an empty string");
}

}  // namespace
}  // namespace minillm
