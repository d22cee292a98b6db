// Which of the templates a jinja text is: the one that writes the same.

#include <array>
#include <optional>

#include "libminillm/data/chat_template.h"
#include "libminillm/data/jinja.h"

namespace minillm {
namespace {

constexpr size_t kLongest = size_t{1} << 18;  // no published template is near it

std::optional<std::string> written(std::string_view jinja, const ChatTemplate& format,
                                   const std::vector<Message>& messages, bool open) {
  nlohmann::json list = nlohmann::json::array();
  for (const Message& m : messages)
    list.push_back({{"role", role_name(m.role)}, {"content", m.content}});
  const std::string start = format.start.empty() ? "<s>" : format.start;
  try {
    return render_jinja(jinja, {{"messages", list},
                                {"add_generation_prompt", open},
                                {"bos_token", start},
                                {"eos_token", "</s>"}});
  } catch (const JinjaError&) {
    return std::nullopt;
  }
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

bool writes_the_same(std::string_view jinja, const ChatTemplate& format) {
  for (const std::vector<Message>& messages : probes()) {
    const bool open = messages.back().role == Role::kUser;
    const auto text = written(jinja, format, messages, open);
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
  for (const ChatTemplate& format : chat_templates())
    if (format.jinja == jinja) return &format;
  if (jinja.size() > kLongest) return nullptr;
  for (const ChatTemplate& format : chat_templates())
    if (writes_the_same(jinja, format)) return &format;
  return nullptr;
}

}  // namespace minillm
