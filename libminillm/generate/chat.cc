#include "libminillm/generate/chat.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

// Passes text on without the template's space, which is in the first piece that has any text.
GenerationEvents without_template_space(const GenerationEvents& events) {
  if (!events.on_text) return events;
  return {.on_text =
              [show = events.on_text, first = true](const std::string& piece) mutable {
                const std::string text(first ? strip_template_space(piece) : piece);
                first = false;
                if (!text.empty()) show(text);
              },
          .stop_requested = events.stop_requested};
}

}  // namespace

std::string_view strip_template_space(std::string_view answer) {
  if (answer.starts_with(' ')) answer.remove_prefix(1);
  return answer;
}

std::string taught_chat_template(const std::optional<TrainerState>& state) {
  std::string taught;
  if (!state) return taught;
  for (const LineageEntry& stage : state->lineage)
    if (const auto found = stage.hashes.find("template"); found != stage.hashes.end())
      taught = found->second;
  return taught;
}

void check_chat_template(const std::string& taught, const Tokenizer& tokenizer) {
  if (taught.empty()) return;
  MINILLM_CHECK(tokenizer.chat_template() != nullptr, "tokenizer: {}",
                tokenizer.chat_template_problem());
  MINILLM_CHECK(taught == tokenizer.chat_template()->id,
                "checkpoint: it was taught another chat template: expected '{}', got '{}' "
                "(options.chat_template chooses one)",
                taught, tokenizer.chat_template()->id);
}

ChatSession::ChatSession(const Model& model, const Tokenizer& tokenizer)
    : generator_(model, tokenizer), tokenizer_(tokenizer), context_(model.positions()) {
  MINILLM_CHECK(tokenizer.chat_template() != nullptr, "chat: {}",
                tokenizer.chat_template_problem());
}

ChatAnswer ChatSession::ask(const std::string& question, const GenerationConfig& config,
                            const GenerationEvents& events) {
  const Index reserve = std::min<Index>(config.max_tokens, context_ / 2);
  history_.push_back({Role::kUser, question});
  ChatAnswer answer;
  try {
    std::vector<Token> prompt = render_prompt(tokenizer_, messages(0));
    size_t dropped = 0;
    for (; std::ssize(prompt) + reserve > context_ && dropped + 1 < history_.size(); dropped += 2)
      prompt = render_prompt(tokenizer_, messages(dropped + 2));
    MINILLM_CHECK(std::ssize(prompt) <= context_,
                  "message: too long: expected at most {} tokens with the system prompt, got {}",
                  context_, prompt.size());
    GenerationConfig turn = config;
    turn.stream += turns_;
    turn.constraint_after_space = true;
    answer.generation = generator_.generate(prompt, turn, without_template_space(events));
    answer.dropped_turns = static_cast<int>(dropped / 2);
    history_.erase(history_.begin(), history_.begin() + static_cast<ptrdiff_t>(dropped));
  } catch (...) {
    history_.pop_back();
    throw;
  }
  ++turns_;
  answer.text = strip_template_space(answer.generation.text);
  history_.push_back({Role::kAssistant, answer.text});
  return answer;
}

// The system prompt and the history without its first `dropped` messages.
std::vector<Message> ChatSession::messages(size_t dropped) const {
  std::vector<Message> result;
  if (!system_.empty()) result.push_back({Role::kSystem, system_});
  result.insert(result.end(), history_.begin() + static_cast<ptrdiff_t>(dropped), history_.end());
  return result;
}

}  // namespace minillm
