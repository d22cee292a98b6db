// ChatSession: a conversation with a model, and what to do when it outgrows the context.

#ifndef LIBMINILLM_GENERATE_CHAT_H_
#define LIBMINILLM_GENERATE_CHAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/checkpoint/trainer_state.h"  // TrainerState
#include "libminillm/data/record.h"               // Message
#include "libminillm/generate/generator.h"
#include "libminillm/generate/tool_loop.h"

namespace minillm {

// Templates may put one space in front of every content (data/chat_template.h). The answer as it is
// shown and compared: without that one space.
std::string_view strip_template_space(std::string_view answer);

// The chat template that a checkpoint's stages have taught it, from its lineage; empty if none has.
std::string taught_chat_template(const std::optional<TrainerState>& state);
// Throws Error if `taught` is not the tokenizer's template: the answers would silently be worse.
void check_chat_template(const std::string& taught, const Tokenizer& tokenizer);

// One answer in a conversation.
struct ChatAnswer {
  Generation generation;             // its text as generated; of several, the last one
  std::string text;                  // as shown, and as in the history
  std::vector<Message> called = {};  // answers that called tools, and what those returned
  int dropped_turns = 0;  // oldest turns that no longer fit and were forgotten before this answer
};

class ChatSession {
 public:
  // Model and tokenizer must outlive the session. Throws Error if the tokenizer has no
  // chat template.
  ChatSession(const Model& model, const Tokenizer& tokenizer);

  // The system prompt; empty = none. The history stays.
  void set_system(std::string system) { system_ = std::move(system); }
  const std::string& system() const { return system_; }
  void reset() { history_.clear(); }  // the system prompt stays
  // What may be called from now on, at most kMaxToolRounds times for an answer. Throws Error if the
  // template cannot write tools.
  void set_tools(std::vector<CallableTool> tools);
  // User and assistant messages, alternating, with calls and results between them.
  const std::vector<Message>& history() const { return history_; }

  // Asks, and adds question and answer to the history. Turn n draws from Rng(seed, stream + n),
  // where an answer that calls tools is a turn of its own. With tools, the text is told when it is
  // whole.
  //
  // When the context is short, the oldest turns are dropped until system prompt, remaining turns
  // and question leave room for max_tokens (or for half the context, if that is less). Throws Error
  // if system prompt and question alone do not fit; the history is then unchanged.
  ChatAnswer ask(const std::string& question, const GenerationConfig& config,
                 const GenerationEvents& events = {});

  // Puts `text` in the place of the last answer in the history: what was told, where something
  // has changed it. REQUIRES an answer.
  void correct_last_answer(std::string text) { history_.back().content = std::move(text); }

 private:
  std::vector<Message> messages(size_t dropped) const;
  size_t next_question(size_t from) const;
  Generation answer_once(const GenerationConfig& config, const GenerationEvents& events,
                         int& dropped_turns);
  void answer_with_tools(ChatAnswer& answer, const GenerationConfig& config,
                         const GenerationEvents& events);

  Generator generator_;
  const Tokenizer& tokenizer_;
  Index context_;
  std::string system_;
  std::vector<CallableTool> tools_;
  std::vector<Message> history_;
  uint64_t turns_ = 0;  // asked so far, including those forgotten
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_CHAT_H_
