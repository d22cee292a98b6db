#include "libminillm/generate/built_in_tools.h"

#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/data/tool_format.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

std::string run(const std::string& name, const std::string& arguments) {
  static const auto kTools = built_in_tools(
      {"add", "subtract", "multiply", "clock", "lookup"},
      {.time = "noon", .lookup = [](const std::string& question) { return "known: " + question; }});
  return run_tool_call(kTools, {name, arguments});
}

TEST(BuiltInTools, ComputeAndTellOfOverflow) {
  EXPECT_EQ(run("add", R"({"a": 992, "b": 553})"), "1545");
  EXPECT_EQ(run("add", R"({"b": -3, "a": 2})"), "-1");
  EXPECT_EQ(run("subtract", R"({"a": 3, "b": 10})"), "-7");
  EXPECT_EQ(run("multiply", R"({"a": -12, "b": 12})"), "-144");
  EXPECT_EQ(run("add", R"({"a": 9223372036854775806, "b": 1})"), "9223372036854775807");
  const char* kTooLarge = "error: the result is too large";
  EXPECT_EQ(run("add", R"({"a": 9223372036854775807, "b": 1})"), kTooLarge);
  EXPECT_EQ(run("subtract", R"({"a": -9223372036854775808, "b": 1})"), kTooLarge);
  EXPECT_EQ(run("multiply", R"({"a": 4294967296, "b": 4294967296})"), kTooLarge);
}

TEST(BuiltInTools, TellWhatIsWrongWithTheirArguments) {
  EXPECT_EQ(run("add", R"({"a": 1})"), "error: argument 'b' is missing");
  EXPECT_EQ(run("add", R"({"a": 1, "b": 2, "c": 3})"), "error: too many arguments");
  EXPECT_EQ(run("add", "[1, 2]"), "error: argument 'a' is missing");
  for (const char* b : {"1.5", "\"2\"", "null", "1e3", "9223372036854775808", "[]"})
    EXPECT_EQ(run("add", R"({"a": 1, "b": )" + std::string(b) + "}"),
              "error: argument 'b': expected an integer")
        << b;
  EXPECT_EQ(run("add", "{"), "error: arguments: not valid JSON: unexpected content at byte 2");
  EXPECT_EQ(run("clock", R"({"zone": "x"})"), "error: too many arguments");
  EXPECT_EQ(run("lookup", R"({"question": 7})"), "error: argument 'question': expected a text");
  EXPECT_EQ(run("eval", R"({"a": 1})"), "error: there is no tool 'eval'");
}

TEST(BuiltInTools, ClockAndLookUp) {
  EXPECT_EQ(run("clock", "{}"), "noon");
  EXPECT_EQ(run("lookup", R"({"question": "who?"})"), "known: who?");
  const std::string now = run_tool_call(built_in_tools({"clock"}), {"clock", "{}"});
  ASSERT_EQ(now.size(), std::string("2026-11-27 14:05").size()) << now;
  EXPECT_EQ(now[4], '-');
  EXPECT_EQ(now[13], ':');
}

TEST(BuiltInTools, AreDeclaredAsTheyAreCalled) {
  for (const CallableTool& tool : built_in_tools({"add", "multiply", "clock"})) {
    const std::string signature = tool_signature(tool.declared);
    EXPECT_EQ(signature, tool.declared.name == "clock"
                             ? "clock()"
                             : tool.declared.name + "(a: integer, b: integer)");
  }
}

TEST(BuiltInTools, UnknownAndDoubledNamesAreErrors) {
  EXPECT_ERROR(built_in_tools({"add", "shell"}),
               "tool 'shell': unknown: expected some of add, subtract, multiply, clock, lookup");
  EXPECT_ERROR(built_in_tools({"add", "add"}), "tool 'add': is named twice");
  EXPECT_ERROR(built_in_tools({"lookup"}), "tool 'lookup': expected something to look up in");
}

}  // namespace
}  // namespace minillm
