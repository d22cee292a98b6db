#include "libminillm/generate/built_in_tools.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using Json = nlohmann::json;

constexpr std::array<const char*, 5> kNames = {"add", "subtract", "multiply", "clock", "lookup"};

// The arguments, which must be these and no others.
Json arguments_of(const std::string& text, std::initializer_list<const char*> names) {
  Json arguments;
  try {
    arguments = parse_json(text, "arguments", 4);
  } catch (const Error& error) {
    throw ToolError{error.what()};
  }
  for (const char* name : names)
    if (!arguments.is_object() || !arguments.contains(name))
      throw ToolError{fmt::format("argument '{}' is missing", name)};
  if (arguments.size() > names.size()) throw ToolError{"too many arguments"};
  return arguments;
}

int64_t integer_in(const Json& arguments, const char* name) {
  const Json& value = arguments[name];
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits) throw ToolError{fmt::format("argument '{}': expected an integer", name)};
  return value.get<int64_t>();
}

// Of two integers; `compute` says whether the result overflows, as __builtin_add_overflow does.
CallableTool arithmetic(const char* name, const char* description,
                        bool (*compute)(int64_t, int64_t, int64_t*)) {
  const Tool declared = {
      name,
      fmt::format(R"({{"type": "function", "function": {{"name": "{}", "description": "{}", )"
                  R"("parameters": {{"type": "object", "properties": {{"a": {{"type": )"
                  R"("integer"}}, "b": {{"type": "integer"}}}}, "required": ["a", "b"]}}}}}})",
                  name, description)};
  return {declared, [compute](const std::string& text) {
            const Json arguments = arguments_of(text, {"a", "b"});
            int64_t result = 0;
            if (compute(integer_in(arguments, "a"), integer_in(arguments, "b"), &result))
              throw ToolError{"the result is too large"};
            return std::to_string(result);
          }};
}

CallableTool clock_tool(const std::string& fixed) {
  return {
      {"clock",
       R"({"type": "function", "function": {"name": "clock", "description": "Tells the date and )"
       R"(the time.", "parameters": {"type": "object", "properties": {}}}})"},
      [fixed](const std::string& text) {
        arguments_of(text, {});
        if (!fixed.empty()) return fixed;
        const std::time_t now =
            std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
        std::tm local = {};
        localtime_r(&now, &local);
        std::array<char, 32> written = {};
        std::strftime(written.data(), written.size(), "%Y-%m-%d %H:%M", &local);
        return std::string(written.data());
      }};
}

CallableTool lookup_tool(const std::function<std::string(const std::string&)>& lookup) {
  MINILLM_CHECK_USAGE(lookup, "tool 'lookup': expected something to look up in, got nothing");
  return {
      {"lookup",
       R"({"type": "function", "function": {"name": "lookup", "description": "Looks up what is )"
       R"(known about a question.", "parameters": {"type": "object", "properties": {"question": )"
       R"({"type": "string"}}, "required": ["question"]}}})"},
      [lookup](const std::string& text) {
        const Json arguments = arguments_of(text, {"question"});
        if (!arguments["question"].is_string())
          throw ToolError{"argument 'question': expected a text"};
        return lookup(arguments["question"].get<std::string>());
      }};
}

CallableTool make(const std::string& name, const BuiltInToolOptions& options) {
  if (name == "add")
    return arithmetic("add", "Adds two integers.", [](int64_t a, int64_t b, int64_t* result) {
      return __builtin_add_overflow(a, b, result);
    });
  if (name == "subtract")
    return arithmetic("subtract", "Subtracts b from a.", [](int64_t a, int64_t b, int64_t* result) {
      return __builtin_sub_overflow(a, b, result);
    });
  if (name == "multiply")
    return arithmetic(
        "multiply", "Multiplies two integers.",
        [](int64_t a, int64_t b, int64_t* result) { return __builtin_mul_overflow(a, b, result); });
  if (name == "clock") return clock_tool(options.time);
  if (name == "lookup") return lookup_tool(options.lookup);
  throw Error(fmt::format("tool '{}': unknown: expected some of {}", name, fmt::join(kNames, ", ")),
              ExitCode::kUsage);
}

}  // namespace

std::span<const char* const> built_in_tool_names() { return kNames; }

std::vector<CallableTool> built_in_tools(const std::vector<std::string>& names,
                                         const BuiltInToolOptions& options) {
  std::vector<CallableTool> tools;
  for (const std::string& name : names) {
    MINILLM_CHECK_USAGE(std::count(names.begin(), names.end(), name) == 1,
                        "tool '{}': is named twice", name);
    tools.push_back(make(name, options));
  }
  return tools;
}

}  // namespace minillm
