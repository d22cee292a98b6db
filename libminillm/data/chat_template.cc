#include "libminillm/data/chat_template.h"

#include <numeric>
#include <optional>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

const ChatTemplate& template_of(const Tokenizer& tokenizer) {
  MINILLM_CHECK(tokenizer.chat_template() != nullptr, "tokenizer: {}",
                tokenizer.chat_template_problem());
  return *tokenizer.chat_template();
}

// Throws Error naming the template if the messages hold what it has no form for.
void expect_no_tools(const ChatTemplate& format, const std::vector<Message>& messages) {
  for (const Message& message : messages)
    MINILLM_CHECK(message.role != Role::kTool && message.calls.empty() && message.tools.empty(),
                  "chat template '{}': cannot write tools, their calls or their results",
                  format.id);
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// A run of text between two control pieces is encoded as a text of its own (sentencepiece may put a
// space in front of it), as in Meta's code, Hugging Face's fast tokenizer and llama.cpp; what
// continues the run has no such space.
class Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer, bool in_text = false)
      : tokenizer_(tokenizer), in_text_(in_text) {}

  void control(const std::string& piece) {
    if (piece.empty()) return;
    tokens.push_back(tokenizer_.control(piece));
    in_text_ = false;
  }
  void text(const std::string& words) {
    if (words.empty()) return;
    const std::vector<Token> ids =
        in_text_ ? tokenizer_.encode_continuing(words) : tokenizer_.encode(words);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    in_text_ = true;
  }
  void parts(const std::vector<TurnFormat::Part>& parts) {
    for (const TurnFormat::Part& part : parts) part.control ? control(part.text) : text(part.text);
  }
  void content(const ChatTemplate& format, Role role, const std::string& words) {
    const TurnFormat& turn = format.turn(role);
    text(turn.before + (format.trims ? trimmed(words) : words));
    text(turn.after);
    control(turn.end);
  }

  std::vector<Token> tokens;

 private:
  const Tokenizer& tokenizer_;
  bool in_text_;
};

// System prompts put in front of the user messages that follow them, if the template wants that;
// one that an answer follows is a message of its own.
std::vector<Message> with_folded_system(const ChatTemplate& format,
                                        const std::vector<Message>& messages) {
  if (format.system_begin.empty()) return messages;
  std::vector<Message> result;
  std::optional<std::string> system;
  const auto take_system = [&] {
    const std::string text = system ? format.system_begin + *system + format.system_end : "";
    system.reset();
    return text;
  };
  for (const Message& message : messages) {
    if (message.role == Role::kSystem) {
      system = system ? *system + "\n\n" + message.content : message.content;
      continue;
    }
    if (message.role == Role::kAssistant && system) result.push_back({Role::kUser, take_system()});
    result.push_back(message);
    if (message.role == Role::kUser) result.back().content.insert(0, take_system());
  }
  if (system) result.push_back({Role::kUser, take_system()});
  return result;
}

// The conversation; if `open`, followed by what comes in front of an answer to it.
RenderedSequence render(const Tokenizer& tokenizer, const std::vector<Message>& given, bool open) {
  const ChatTemplate& format = template_of(tokenizer);
  expect_no_tools(format, given);
  const std::vector<Message> messages = with_folded_system(format, given);
  Writer writer(tokenizer);
  RenderedSequence sequence;
  writer.control(format.start);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const TurnFormat& turn = format.turn(message.role);
    writer.parts(turn.header);
    sequence.supervised.resize(writer.tokens.size(), 0);
    writer.content(format, message.role, message.content);
    const bool supervised = message.role == Role::kAssistant && message.supervised;
    sequence.supervised.resize(writer.tokens.size(), supervised ? 1 : 0);
    if (open || i + 1 < messages.size()) writer.parts(turn.next);
  }
  if (open) writer.parts(format.turn(Role::kAssistant).header);
  sequence.tokens = std::move(writer.tokens);
  sequence.supervised.resize(sequence.tokens.size(), 0);
  return sequence;
}

}  // namespace

std::string chat_template_text(const ChatTemplate& format, const std::vector<Message>& given,
                               bool open) {
  const std::vector<Message> messages = with_folded_system(format, given);
  std::string text = format.start;
  const auto append = [&](const std::vector<TurnFormat::Part>& parts) {
    for (const TurnFormat::Part& part : parts) text += part.text;
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const TurnFormat& turn = format.turn(messages[i].role);
    append(turn.header);
    const std::string& content = messages[i].content;
    text += turn.before + (format.trims ? trimmed(content) : content) + turn.after + turn.end;
    if (open || i + 1 < messages.size()) append(turn.next);
  }
  if (open) append(format.turn(Role::kAssistant).header);
  return text;
}

Index RenderedSequence::supervised_count() const {
  return std::accumulate(supervised.begin(), supervised.end(), Index{0});
}

RenderedSequence render_conversation(const Tokenizer& tokenizer,
                                     const std::vector<Message>& messages) {
  return render(tokenizer, messages, false);
}

std::vector<Token> render_prompt(const Tokenizer& tokenizer, const std::vector<Message>& messages) {
  return render(tokenizer, messages, true).tokens;
}

std::vector<Token> render_answer(const Tokenizer& tokenizer, const std::string& content) {
  Writer writer(tokenizer, true);  // every template has text in front of an answer
  writer.content(template_of(tokenizer), Role::kAssistant, content);
  return writer.tokens;
}

RenderedPair render_pair(const Tokenizer& tokenizer, const PreferencePair& pair) {
  const auto answer = [&](const std::string& content) {
    return content.empty() ? std::vector<Token>() : render_answer(tokenizer, content);
  };
  return {render_prompt(tokenizer, pair.prompt), answer(pair.chosen), answer(pair.rejected),
          pair.margin};
}

}  // namespace minillm
