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

void ChatSession::set_tools(std::vector<CallableTool> tools) {
  expect_writable(tokenizer_.chat_template()->tools, tokenizer_.chat_template()->id,
                  with_tools({}, tools));
  tools_ = std::move(tools);
}

// Where the next question begins, after the one at `from`; the end of the history if there is none.
size_t ChatSession::next_question(size_t from) const {
  while (++from < history_.size() && history_[from].role != Role::kUser) {
  }
  return from;
}

Generation ChatSession::answer_once(const GenerationConfig& config, const GenerationEvents& events,
                                    int& dropped_turns) {
  const Index reserve = std::min<Index>(config.max_tokens, context_ / 2);
  std::vector<Token> prompt = render_prompt(tokenizer_, messages(0));
  size_t dropped = 0;
  int turns = 0;
  for (size_t next = next_question(0);
       std::ssize(prompt) + reserve > context_ && next < history_.size();
       next = next_question(next)) {
    dropped = next;
    ++turns;
    prompt = render_prompt(tokenizer_, messages(dropped));
  }
  MINILLM_CHECK(std::ssize(prompt) <= context_,
                "message: too long: expected at most {} tokens with the system prompt, got {}",
                context_, prompt.size());
  GenerationConfig turn = config;
  turn.stream += turns_;
  turn.constraint_after_space = true;
  Generation generation = generator_.generate(prompt, turn, events);
  history_.erase(history_.begin(), history_.begin() + static_cast<ptrdiff_t>(dropped));
  dropped_turns += turns;
  ++turns_;
  return generation;
}

ChatAnswer ChatSession::ask(const std::string& question, const GenerationConfig& config,
                            const GenerationEvents& events) {
  const std::vector<Message> before = history_;
  const uint64_t turns_before = turns_;
  history_.push_back({Role::kUser, question});
  ChatAnswer answer;
  try {
    if (tools_.empty()) {
      answer.generation = answer_once(config, without_template_space(events), answer.dropped_turns);
      history_.push_back(
          {Role::kAssistant, std::string(strip_template_space(answer.generation.text))});
    } else {
      answer_with_tools(answer, config, events);
    }
  } catch (...) {
    history_ = before;
    turns_ = turns_before;
    throw;
  }
  answer.text = history_.back().content;
  return answer;
}

void ChatSession::answer_with_tools(ChatAnswer& answer, const GenerationConfig& config,
                                    const GenerationEvents& events) {
  for (int round = 0; round <= kMaxToolRounds; ++round) {
    answer.generation =
        answer_once(config, {.stop_requested = events.stop_requested}, answer.dropped_turns);
    history_.push_back(answer_message(tokenizer_, answer.generation));
    const std::string& text = history_.back().content;
    if (events.on_text && !text.empty()) events.on_text(text);
    const size_t said = history_.size() - 1;
    const bool interrupted = answer.generation.reason == StopReason::kInterrupted;
    if (interrupted || round == kMaxToolRounds || !run_tool_calls(tools_, history_)) return;
    answer.called.insert(answer.called.end(), history_.begin() + static_cast<ptrdiff_t>(said),
                         history_.end());
  }
}

// The system prompt and the history without its first `dropped` messages.
std::vector<Message> ChatSession::messages(size_t dropped) const {
  std::vector<Message> result;
  if (!system_.empty()) result.push_back({Role::kSystem, system_});
  result.insert(result.end(), history_.begin() + static_cast<ptrdiff_t>(dropped), history_.end());
  return with_tools(std::move(result), tools_);
}

}  // namespace minillm
