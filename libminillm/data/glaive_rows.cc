// Glaive's rows: {"system": "SYSTEM: ...", "chat": "USER: ...\n\n\nASSISTANT: ... <|endoftext|>"},
// and its first version's {"sample": "SYSTEM: ...\nUSER: ..."}. Calls are marks in the answers.

#include <algorithm>
#include <array>
#include <utility>

#include "libminillm/data/control_texts.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 4> kTurns = {
    {{"SYSTEM:", Role::kSystem},
     {"USER:", Role::kUser},
     {"ASSISTANT:", Role::kAssistant},
     {"FUNCTION RESPONSE:", Role::kTool}}};

// The turn that a line begins, or nullptr.
const std::pair<std::string_view, Role>* turn_of(std::string_view line) {
  const auto found = std::find_if(kTurns.begin(), kTurns.end(),
                                  [&](const auto& turn) { return line.starts_with(turn.first); });
  return found == kTurns.end() ? nullptr : &*found;
}

std::string turn_text(std::string_view text, Role role) {
  text = trim(text);
  while (role == Role::kAssistant && text.ends_with(kEndOfText)) {
    text.remove_suffix(kEndOfText.size());
    text = trim(text);
  }
  return std::string(text);
}

std::vector<Message> parse_turns(std::string_view text) {
  std::vector<Message> messages;
  text = trim(text);
  while (const auto* turn = turn_of(text)) {
    text.remove_prefix(turn->first.size());
    size_t end = text.find('\n');
    while (end != text.npos && turn_of(text.substr(end + 1)) == nullptr)
      end = text.find('\n', end + 1);
    messages.push_back({turn->second, turn_text(text.substr(0, end), turn->second)});
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return messages;
}

// The key of a text that begins with a turn. Beside a question, "sample" may be anything.
const char* chat_key(const Row& row) {
  const char* key = row.first_of({"chat", "sample"});
  if (key == nullptr || !row.value().at(key).is_string()) return nullptr;
  if (std::string_view(key) == "sample" && question_key(row) != nullptr) return nullptr;
  return turn_of(trim(row.value().at(key).get_ref<const std::string&>())) == nullptr ? nullptr
                                                                                     : key;
}

}  // namespace

bool is_glaive_row(const Row& row) { return chat_key(row) != nullptr; }

std::vector<Message> parse_glaive_row(const Row& row) {
  std::vector<Message> messages = with_preamble(row, parse_turns(row.text(chat_key(row))));
  constexpr std::string_view kSystem = kTurns[0].first;
  if (Message& first = messages.front();
      first.role == Role::kSystem && first.content.starts_with(kSystem))
    first.content = std::string(trim(std::string_view(first.content).substr(kSystem.size())));
  return messages;
}

}  // namespace minillm
