// Which of the templates a jinja text is: the one that writes the same.

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_layout.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/jinja.h"

namespace minillm {
namespace {

constexpr size_t kLongest = size_t{1} << 18;  // no published template is near it

using Json = nlohmann::ordered_json;

// How an answer's calls are given to a template: as members of the message, as Hugging Face's
// apply_chat_template takes them; as letters of its content; not at all.
enum class Calls { kMembers, kContent, kNone };

// Arguments are objects, tools stand apart.
Json message_json(const ChatTemplate& format, const Message& message, Calls calls) {
  Json json = {{"role", role_name(message.role)}, {"content", message.content}};
  if (message.role == Role::kTool) json["tool_call_id"] = message.call_id;
  if (message.calls.empty() || calls == Calls::kNone) return json;
  if (calls == Calls::kContent) {
    std::string content;
    const TurnBody body = answer_body(format, message);
    for (const TurnPart& part : body.parts()) content += part.text;
    json["content"] = content;
    return json;
  }
  for (const ToolCall& call : message.calls)
    json["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", Json::parse(call.arguments)}}}});
  return json;
}

std::optional<std::string> written_with(Calls calls, std::string_view jinja,
                                        const ChatTemplate& format,
                                        const std::vector<Message>& messages, bool open) {
  Json variables = {{"messages", Json::array()},
                    {"add_generation_prompt", open},
                    {"bos_token", format.start.empty() ? "<s>" : format.start},
                    {"eos_token", "</s>"}};
  for (const Message& message : messages) {
    if (!message.content.empty() || message.tools.empty())
      variables["messages"].push_back(message_json(format, message, calls));
    for (const Tool& tool : message.tools)
      variables["tools"].push_back(Json::parse(tool.declaration));
  }
  try {
    return render_jinja(jinja, variables);
  } catch (const JinjaRefusal&) {
    throw;
  } catch (const JinjaError&) {
    return std::nullopt;
  }
}

std::optional<std::string> written(std::string_view jinja, const ChatTemplate& format,
                                   const std::vector<Message>& messages, bool open) {
  const auto with = [&](Calls calls) { return written_with(calls, jinja, format, messages, open); };
  std::optional<std::string> text = with(Calls::kMembers);
  const bool calls = std::any_of(messages.begin(), messages.end(),
                                 [](const Message& m) { return !m.calls.empty(); });
  if (calls && format.tools->calls_are_content && text == with(Calls::kNone))
    text = with(Calls::kContent);  // it has no other place for them
  return text;
}

// White space at the ends of contents shows whether they are trimmed.
const std::vector<std::vector<Message>>& probes() {
  static const Message system{Role::kSystem, "be\n kind "}, first{Role::kUser, " a\nb\n"},
      answer{Role::kAssistant, " c 'd'\n"}, second{Role::kUser, "e"},
      last{Role::kAssistant, "f \n"};
  static const std::vector<std::vector<Message>> kProbes = {{first},
                                                            {system, first},
                                                            {first, answer},
                                                            {system, first, answer},
                                                            {first, answer, second},
                                                            {system, first, answer, second},
                                                            {system, first, answer, second, last}};
  return kProbes;
}

// With and without a system prompt; one and two tools, calls and results.
std::vector<std::vector<Message>> tool_probes(const ToolFormat& format) {
  const auto tool = [](const std::string& name) {
    return Tool{name,
                fmt::format(R"({{"type": "function", "function": {{"name": "{}", "description": )"
                            R"("It does.", "parameters": {{"type": "object", "properties": )"
                            R"({{"z": {{"type": "integer"}}, "a": {{"enum": ["x", 1.5]}}}}}}}}}})",
                            name)};
  };
  const Message ask{Role::kUser, " a\nb\n"}, answer{Role::kAssistant, "c"}, next{Role::kUser, "d"};
  Message none{Role::kSystem, ""}, system{Role::kSystem, "be kind"};
  none.tools = {tool("f")};
  system.tools = {tool("f"), tool("g")};
  Message call{Role::kAssistant, ""}, last_call{Role::kAssistant, ""};
  call.calls = {{"f", R"({"z": 3, "a": "x"})", "call00001"}};
  if (format.takes_many) call.calls.push_back({"g", "{}", "call00002"});
  last_call.calls = {{"f", "{}", fmt::format("call{:05}", call.calls.size() + 1)}};
  std::vector<Message> results;
  for (const ToolCall& made : call.calls) {
    results.push_back({Role::kTool, "5 \"x\""});
    results.back().call_id = made.id;
  }
  std::vector<std::vector<Message>> all = {{none, ask}, {system, ask}, {system, ask, call}};
  all.push_back({none, ask, call});
  all.back().insert(all.back().end(), results.begin(), results.end());
  all.push_back(all.back());
  for (const Message& m : {answer, next, last_call}) all.back().push_back(m);
  if (format.takes_text) {
    call.content = "See:";
    all.push_back({none, ask, call});
  }
  return all;
}

// Thoughts in answers to both questions.
const std::vector<std::vector<Message>>& thinking_probes() {
  static const Message first{Role::kUser, "a"}, second{Role::kUser, "b"},
      answer{Role::kAssistant, "<think>\nc\n\nd\n</think>\n\ne"},
      short_one{Role::kAssistant, "<think>f</think>g"};
  static const std::vector<std::vector<Message>> kProbes = {
      {first, answer}, {first, answer, second}, {first, answer, second, short_one}};
  return kProbes;
}

// What switches thinking, and answers with thoughts.
const std::vector<std::vector<Message>>& mode_probes() {
  static const std::vector<std::vector<Message>> kProbes = [] {
    const Message first{Role::kUser, "a"}, second{Role::kUser, "b"},
        answer{Role::kAssistant, "\n<think>\nc\n</think>\n\nd"};
    std::vector<std::vector<Message>> probes = {{first, answer, second}};
    for (const char* system :
         {"/think", "/no_think", "be /no_think kind /think \n", "be kind\n/think",
          "x /system_override y ", "/system_override/no_think"})
      for (const auto& rest : {std::vector{first, answer}, std::vector{first, answer, second}}) {
        probes.push_back(rest);
        probes.back().insert(probes.back().begin(), Message{Role::kSystem, system});
      }
    return probes;
  }();
  return kProbes;
}

bool writes_the_same(std::string_view jinja, const ChatTemplate& format,
                     const std::vector<std::vector<Message>>& conversations) {
  for (const std::vector<Message>& messages : conversations) {
    const bool open = messages.back().role != Role::kAssistant;
    // Such a template says a system prompt only in front of a question that is to be answered, and
    // learning puts it where answering has it.
    if (!open && format.system_last && messages.front().role == Role::kSystem &&
        !messages.front().content.empty())
      continue;
    std::optional<std::string> text;
    try {
      text = written(jinja, format, messages, open);
    } catch (const JinjaRefusal&) {  // of system prompts: how it would write them shows nothing
      if (messages.front().role == Role::kSystem && messages.front().tools.empty()) continue;
    }
    if (!text) return false;
    // A start that the template leaves to the tokenizer is ours to write.
    const std::string_view start =
        text->starts_with(format.start) ? "" : std::string_view(format.start);
    const std::string got = std::string(start) + *text;
    const std::string expected = chat_template_text(format, messages, open);
    if (open) {
      if (got != expected) return false;
      continue;
    }
    // After the last turn comes nothing that is learned: its line end, or the next header.
    std::string next;
    for (const TurnFormat::Part& part : format.turn(Role::kAssistant).next) next += part.text;
    std::string header = next;
    for (const TurnFormat::Part& part : format.turn(Role::kAssistant).header) header += part.text;
    if (got != expected && got != expected + next && got != expected + header) return false;
  }
  return true;
}

}  // namespace

const ChatTemplate* recognise_chat_template(std::string_view jinja) {
  // What writes the same chats, but tools in another form, or none.
  static const std::vector<ChatTemplate> kWithoutTools = [] {
    std::vector<ChatTemplate> formats(chat_templates().begin(), chat_templates().end());
    for (ChatTemplate& format : formats) {
      if (format.tools == nullptr) continue;
      format.tools = nullptr;
      format.jinja = "{% if tools %}{{ raise_exception('tools are not supported') }}{% endif %}" +
                     format.jinja;
    }
    return formats;
  }();
  const std::span<const ChatTemplate> formats = chat_templates();
  for (const ChatTemplate& format : formats)
    if (format.jinja == jinja) return &format;
  if (jinja.size() > kLongest) return nullptr;
  for (size_t i = 0; i < formats.size(); ++i) {
    const ChatTemplate& format = formats[i];
    if (!writes_the_same(jinja, format, probes())) continue;
    if (format.thinks && !writes_the_same(jinja, format, thinking_probes())) continue;
    if (format.modes && !writes_the_same(jinja, format, mode_probes())) continue;
    // This library's own was written without tools by its earlier versions.
    const bool all = format.tools == nullptr || format.id == kChatTemplateId ||
                     writes_the_same(jinja, format, tool_probes(*format.tools));
    return all ? &format : &kWithoutTools[i];
  }
  return nullptr;
}

}  // namespace minillm
