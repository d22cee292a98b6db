#include "libminillm/data/notes.h"

#include <algorithm>

#include "libminillm/data/chat_template.h"

namespace minillm {

std::string system_with_notes(std::string_view system, std::span<const std::string> notes) {
  std::string content(system);
  if (!content.empty()) content += ' ';
  content += "Notes:";
  if (notes.empty()) return content + " none.";
  for (const std::string& note : notes) content += " " + note;
  return content;
}

std::vector<Message> with_notes(std::vector<Message> prompt, const std::vector<Note>& notes) {
  std::vector<std::string> texts;
  for (const Note& note : notes) texts.push_back(note.text);
  const auto first = std::ranges::find_if(
      prompt, [](const Message& message) { return message.role != Role::kSystem; });
  if (first == prompt.begin()) {
    prompt.insert(first, {Role::kSystem, system_with_notes("", texts)});
  } else {
    std::string& system = std::prev(first)->content;
    system = system_with_notes(system, texts);
  }
  return prompt;
}

std::string question_of(const std::vector<Message>& prompt) {
  const auto last = std::find_if(prompt.rbegin(), prompt.rend(), [](const Message& message) {
    return message.role == Role::kUser;
  });
  return last == prompt.rend() ? "" : last->content;
}

NotedPrompt fit_notes(const Tokenizer& tokenizer, const std::vector<Message>& prompt,
                      std::vector<Note> notes, Index max_tokens) {
  NotedPrompt fitted = {with_notes(prompt, notes), {}, 0};
  while (!notes.empty() && std::ssize(render_prompt(tokenizer, fitted.messages)) > max_tokens) {
    notes.pop_back();
    ++fitted.dropped;
    fitted.messages = with_notes(prompt, notes);
  }
  fitted.notes = std::move(notes);
  return fitted;
}

}  // namespace minillm
