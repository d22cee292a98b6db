#include "libminillm/world/tool_chats.h"

#include <algorithm>
#include <array>

#include "libminillm/world/json.h"
#include "libminillm/world/questions.h"

namespace minillm::world {
namespace {

constexpr int kLargest = 999;
constexpr std::array<std::string_view, 4> kTools = {"add", "subtract", "multiply", "clock"};

// Some of the tools in any order: with adding, or without it.
std::vector<std::string> draw_offered(Rng& rng, bool with_adding) {
  std::vector<std::string> others(kTools.begin() + 1, kTools.end());
  rng.shuffle(others);
  others.resize(with_adding ? rng.below(3) : 1 + rng.below(2));
  if (with_adding)
    others.insert(others.begin() + static_cast<ptrdiff_t>(rng.below(others.size() + 1)), "add");
  return others;
}

// A question that no tool is for.
ChatRow draw_ordinary(Rng& rng, const World& world, Split split) {
  while (true) {
    ChatRow row =
        rng.below(100) < 24 ? draw_added_row(rng, world, split) : draw_chat_row(rng, world, split);
    if (row.kind != ChatRowKind::kSum) return row;
  }
}

Json declaration(const std::string& name) {
  Json properties = Json::object();
  if (name != "clock") properties = {{"a", {{"type", "integer"}}}, {"b", {{"type", "integer"}}}};
  return {{"type", "function"},
          {"function",
           {{"name", name}, {"parameters", {{"type", "object"}, {"properties", properties}}}}}};
}

}  // namespace

std::string ToolChat::arguments() const {
  if (kind != ToolChatKind::kSumWithTool) return "";
  return "{\"a\": " + std::to_string(a) + ", \"b\": " + std::to_string(b) + "}";
}

Split split_of_sum(int a, int b) {
  // Two rounds of a multiplicative hash, so that neighbours go to different splits; with this
  // constant each split has two of the few pairs whose sum has one digit.
  constexpr uint64_t kSalt = 90;
  auto hash = static_cast<uint64_t>(std::min(a, b) * (kLargest + 1) + std::max(a, b));
  for (int round = 0; round < 2; ++round) {
    hash = (hash + kSalt) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  const uint64_t part = hash % 20;
  return part == 0 ? Split::kValidation : part == 1 ? Split::kTest : Split::kTrain;
}

void draw_sum(Rng& rng, Split split, int* a, int* b) {
  constexpr std::array<int, 5> kFrom = {2, 10, 100, 1000, 2 * kLargest + 1};
  while (true) {
    const size_t digits = rng.below(4);
    const auto below = [&](int count) {
      return static_cast<int>(rng.below(static_cast<uint64_t>(count)));
    };
    const int sum = kFrom[digits] + below(kFrom[digits + 1] - kFrom[digits]);
    const int least = std::max(1, sum - kLargest), most = std::min(kLargest, sum - 1);
    *a = least + below(most - least + 1);
    *b = sum - *a;
    if (split_of_sum(*a, *b) == split) return;
  }
}

ToolChat draw_tool_chat(Rng& rng, const World& world, Split split, ToolChatKind kind) {
  ToolChat chat = {kind, {}, {}, 0, 0, "", ""};
  if (kind != ToolChatKind::kSum)
    chat.offered = draw_offered(rng, kind == ToolChatKind::kSumWithTool ||
                                         (kind == ToolChatKind::kNotNeeded && rng.chance(0.5)));
  if (kind == ToolChatKind::kNotNeeded) {
    ChatRow row = draw_ordinary(rng, world, split);
    chat.answer = row.messages.back().content;
    if (row.kind == ChatRowKind::kFact) chat.value = row.value;
    row.messages.pop_back();
    chat.question = std::move(row.messages);
    return chat;
  }
  if (kind == ToolChatKind::kSumWithTool) {
    draw_sum(rng, split, &chat.a, &chat.b);
  } else {
    chat.a = 1 + static_cast<int>(rng.below(9));
    chat.b = 1 + static_cast<int>(rng.below(9));
  }
  chat.question = ask_assistant("", sum_question(chat.a, chat.b));
  chat.answer = sum_statement(chat.a, chat.b);
  return chat;
}

ToolChat draw_tool_chat(Rng& rng, const World& world, Split split) {
  constexpr std::array<int, 4> kWeights = {55, 30, 5, 10};  // in the order of ToolChatKind
  return draw_tool_chat(rng, world, split,
                        static_cast<ToolChatKind>(choose_weighted(rng, kWeights)));
}

std::string tool_chat_row(const ToolChat& chat) {
  Json messages = messages_to_json(chat.question);
  if (const std::string arguments = chat.arguments(); !arguments.empty()) {
    messages.push_back(
        {{"role", "assistant"},
         {"content", ""},
         {"tool_calls",
          Json::array({{{"type", "function"},
                        {"function", {{"name", "add"}, {"arguments", arguments}}}}})}});
    messages.push_back({{"role", "tool"}, {"content", std::to_string(chat.a + chat.b)}});
  }
  messages.push_back({{"role", "assistant"}, {"content", chat.answer}});
  Json row = {{"messages", messages}};
  for (const std::string& name : chat.offered) row["tools"].push_back(declaration(name));
  return row.dump();
}

}  // namespace minillm::world
