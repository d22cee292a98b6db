#include "libminillm/data/chat_layout.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/jinja_filters.h"

namespace minillm {
namespace {

using Messages = std::vector<Message>;

std::string trimmed(const std::string& text) { return jinja_strip(text, true, true); }

bool is_alnum(char c) {
  return ('0' <= c && c <= '9') || ('A' <= c && c <= 'Z') || ('a' <= c && c <= 'z');
}

// The system prompt of a template that has one of its own, where the conversation has none.
void add_default_system(const ChatTemplate& format, Messages& messages) {
  if (!format.default_system || messages.empty()) return;
  Message& first = messages.front();
  if (first.role != Role::kSystem)
    messages.insert(messages.begin(), {Role::kSystem, *format.default_system});
  else if (first.content.empty())
    first.content = *format.default_system;
}

// Declarations go to the message that makes them: the first question, or one of its own before the
// last question.
void place_tools(const ChatTemplate& format, Messages& messages) {
  std::vector<Tool> tools;
  for (Message& message : messages)
    for (Tool& tool : std::exchange(message.tools, {})) tools.push_back(std::move(tool));
  if (tools.empty()) return;
  std::erase_if(messages,
                [](const Message& m) { return m.role == Role::kSystem && m.content.empty(); });
  const auto is_user = [](const Message& m) { return m.role == Role::kUser; };
  const auto first = std::find_if(messages.begin(), messages.end(), is_user);
  MINILLM_CHECK(first != messages.end(),
                "chat template '{}': declares tools beside a question: expected one, got none",
                format.id);
  if (format.tools->place == ToolFormat::Place::kFirstUser) {
    first->tools = std::move(tools);
  } else {
    const auto last = std::find_if(messages.rbegin(), messages.rend(), is_user);
    messages.insert(last.base() - 1,
                    {.role = Role::kSystem, .content = "", .tools = std::move(tools)});
  }
}

// Nine letters and digits for every call that has no such name, and for its result.
void number_calls(Messages& messages) {
  int calls = 0;
  const std::vector<ToolCall>* made = nullptr;
  size_t results = 0;
  for (Message& message : messages) {
    for (ToolCall& call : message.calls) {
      ++calls;
      const bool fits =
          call.id.size() == 9 && std::all_of(call.id.begin(), call.id.end(), is_alnum);
      if (!fits) call.id = fmt::format("call{:05}", calls);
    }
    if (message.role == Role::kAssistant) {
      made = &message.calls;
      results = 0;
    } else if (message.role == Role::kTool && made != nullptr && results < made->size()) {
      message.call_id = (*made)[results++].id;
    }
  }
}

// System prompts put in front of user messages, if the template wants that: those that follow them,
// or the last one. One that an answer follows is a message of its own.
Messages with_folded_system(const ChatTemplate& format, const Messages& messages) {
  if (format.system_begin.empty() && format.system_end.empty()) return messages;
  Messages result;
  std::optional<std::string> system;
  const auto take_system = [&] {
    const std::string text = system ? format.system_begin + *system + format.system_end : "";
    system.reset();
    return text;
  };
  const auto last_user = std::find_if(messages.rbegin(), messages.rend(),
                                      [](const Message& m) { return m.role == Role::kUser; });
  for (const Message& message : messages) {
    if (message.role == Role::kSystem && message.tools.empty()) {
      system = system ? *system + "\n\n" + message.content : message.content;
      continue;
    }
    const bool waits = format.system_last && last_user != messages.rend();
    if (message.role == Role::kAssistant && system && !waits)
      result.push_back({Role::kUser, take_system()});
    result.push_back(message);
    if (message.role == Role::kUser && format.trims_questions)
      result.back().content = trimmed(message.content);
    if (message.role == Role::kUser && (!waits || &message == &*last_user))
      result.back().content.insert(0, take_system());
  }
  if (system) result.push_back({Role::kUser, take_system()});
  return result;
}

// Takes the thoughts off an answer, if it holds some.
std::string take_thoughts(std::string& answer) {
  constexpr std::string_view kBegin = "<think>", kEnd = "</think>";
  const size_t first = answer.find(kEnd), last = answer.rfind(kEnd);
  if (first == std::string::npos) return "";
  std::string thoughts = answer.substr(0, first);
  if (const size_t begin = thoughts.rfind(kBegin); begin != std::string::npos)
    thoughts.erase(0, begin + kBegin.size());
  answer = jinja_strip(answer.substr(last + kEnd.size()), true, false, "\n");
  return jinja_strip(thoughts, true, true, "\n");
}

// What the last answer begins with. Qwen 3's published template writes it so.
std::string written_thoughts(const std::string& thoughts) {
  return "<think>\n" + thoughts + "\n</think>\n\n";
}

// The thoughts of the messages, as they are written; taken off their contents. None without them.
std::vector<std::string> place_thoughts(const ChatTemplate& format, Messages& messages) {
  std::vector<std::string> written(messages.size());
  if (!format.thinks) return written;
  // A question that is a tool's result, as some programs give it, is none.
  const auto last_question = std::find_if(messages.rbegin(), messages.rend(), [](const Message& m) {
    return m.role == Role::kUser &&
           !(m.content.starts_with("<tool_response>") && m.content.ends_with("</tool_response>"));
  });
  const auto questions = static_cast<size_t>(messages.rend() - last_question);
  for (size_t i = 0; i < messages.size(); ++i) {
    Message& message = messages[i];
    if (message.role != Role::kAssistant) continue;
    const std::string thoughts = take_thoughts(message.content);
    const bool last = i + 1 == messages.size();
    if (i < questions || questions == 0 || !(last || !thoughts.empty())) continue;
    written[i] =
        last && !format.no_thoughts.empty() ? format.no_thoughts : written_thoughts(thoughts);
    message.content = jinja_strip(message.content, true, false, "\n");
  }
  return written;
}

// What the first system prompt says of modes, and the rest of it.
struct ModalPrompt {
  bool thinks;
  bool alone;  // nothing else is said
  std::string text;
};

ModalPrompt read_modes(const ReasoningModes& modes, const std::string& system) {
  const auto has = [&](std::string_view word) { return system.find(word) != system.npos; };
  std::string text = system;
  const auto erase = [&](std::string_view word) {
    for (size_t i = 0; (i = text.find(word, i)) != text.npos;) text.erase(i, word.size());
    text = jinja_strip(text, false, true);
  };
  const bool thinks = !has("/no_think") && (has("/think") || modes.thinks);
  const bool alone = has("/system_override");
  for (const char* word : {"/no_think", "/think"}) erase(word);
  if (alone) erase("/system_override");
  return {thinks, alone, std::move(text)};
}

// The first system turn of a template with modes.
void say_modes(TurnBody& body, const ReasoningModes& modes, const ModalPrompt& prompt) {
  body.content(modes.before + (prompt.thinks ? "/think" : "/no_think") + modes.after);
  body.content(!prompt.text.empty() ? prompt.text
               : prompt.thinks      ? modes.thinking_prompt
                                    : modes.silent_prompt);
  body.content(modes.after_prompt);
}

// A system turn of such a template. Those after the first, of which no published text knows, are
// prompts and nothing else.
TurnBody modal_system(const ChatTemplate& format, const Message& message, bool first) {
  const ModalPrompt prompt = read_modes(*format.modes, first ? message.content : "");
  const bool declares = !message.tools.empty();
  MINILLM_CHECK(!prompt.alone || !declares,
                "chat template '{}': declares tools beside a system prompt: expected one without "
                "/system_override",
                format.id);
  TurnBody body(format.tools);
  const bool says_modes = first && !prompt.alone;
  if (says_modes)
    say_modes(body, *format.modes, prompt);
  else
    body.content((first ? prompt.text : message.content) +
                 (declares ? format.modes->after_prompt : ""));
  body.declare(message.tools);
  if (says_modes && !declares) return body;
  body.control(format.answer_end());
  for (const TurnPart& part : format.turn(Role::kAssistant).next) body.content(part.text);
  return body;
}

TurnBody body_of(const ChatTemplate& format, const Message& message,
                 const std::string& thoughts = "") {
  const bool trims = format.trims || (format.trims_answers && message.role == Role::kAssistant);
  std::string text = trims ? trimmed(message.content) : message.content;
  if (format.modes && message.role == Role::kAssistant) text = jinja_strip(text, true, false, "\n");
  const std::string& before = format.turn(message.role).before;
  TurnBody body(format.tools);
  if (message.role == Role::kTool) {
    body.result(message);
  } else if (!message.calls.empty()) {
    body.content(thoughts);
    if (!text.empty()) {
      body.content(before + text);
      body.written(format.tools->after_text);
    }
    body.call(message.calls);
  } else if (message.role == Role::kSystem && !message.tools.empty()) {
    body.content(before + text);
    if (!text.empty()) body.written(format.tools->after_prompt);
    body.declare(message.tools);
  } else {
    body.declare(message.tools);
    body.content(thoughts + before + text);
  }
  return body;
}

}  // namespace

std::vector<WrittenTurn> lay_out(const ChatTemplate& format, const Messages& given) {
  expect_writable(format.tools, format.id, given);
  Messages messages = given;
  std::string environment;
  if (format.tools != nullptr) {
    const bool declares = std::any_of(messages.begin(), messages.end(),
                                      [](const Message& m) { return !m.tools.empty(); });
    if (declares) environment = format.tools->environment;
    if (format.tools->place != ToolFormat::Place::kSystem) place_tools(format, messages);
    if (format.tools->writes_ids) number_calls(messages);
  }
  add_default_system(format, messages);
  const std::vector<std::string> thoughts = place_thoughts(format, messages);
  messages = with_folded_system(format, messages);
  const std::string modal_opening = format.modes ? answer_opening(format, messages) : "";
  std::vector<WrittenTurn> turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == Role::kTool && format.tools->joins_results && !turns.empty() &&
        turns.back().role == Role::kTool) {
      turns.back().body.written(format.tools->results_between);
      turns.back().body.result(message);
      continue;
    }
    // Templates that put a system prompt elsewhere, which moves messages, do not think.
    std::string opening, begin = format.thinks ? thoughts[i] : "";
    if (message.role == Role::kAssistant) opening = modal_opening;
    if (!format.modes && i + 1 == messages.size() && !format.no_thoughts.empty())
      std::swap(opening, begin);
    TurnBody body = format.modes && message.role == Role::kSystem
                        ? modal_system(format, message, i == 0)
                        : body_of(format, message, begin);
    if (message.role == Role::kSystem) body.put_before(std::exchange(environment, ""));
    turns.push_back({&format.turn(message.role), message.role, std::move(opening), std::move(body),
                     message.role == Role::kAssistant && message.supervised});
  }
  return turns;
}

std::string answer_opening(const ChatTemplate& format, const Messages& messages) {
  if (!format.modes) return format.no_thoughts;
  const bool says = !messages.empty() && messages.front().role == Role::kSystem;
  return read_modes(*format.modes, says ? messages.front().content : "").thinks
             ? ""
             : format.no_thoughts;
}

TurnBody answer_body(const ChatTemplate& format, const Message& answer) {
  expect_writable(format.tools, format.id, {answer});
  Messages messages = {answer};
  if (format.tools != nullptr && format.tools->writes_ids) number_calls(messages);
  if (!format.thinks) return body_of(format, messages.front());
  messages.insert(messages.begin(), {Role::kUser, "?"});  // which it answers
  const std::vector<std::string> thoughts = place_thoughts(format, messages);
  return body_of(format, messages.back(), format.no_thoughts.empty() ? thoughts.back() : "");
}

}  // namespace minillm
