// Chat templates: how a conversation is written, as ids, segment by segment, never by formatting
// text and encoding it.
//
//   chatml-space-v1  <s><|im_start|>user\n CONTENT<|im_end|>\n
//                    <|im_start|>assistant\n CONTENT<|im_end|>
//   chatml           the same without <s> and without the space before the content
//   zephyr           <s><|user|>\nCONTENT</s>\n<|assistant|>\nCONTENT</s>
//   tulu             <|user|>\nCONTENT\n<|assistant|>\nCONTENT</s>
//   llama-2          <s>[INST] CONTENT [/INST] CONTENT </s>
//   llama-3          <|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nCONTENT<|eot_id|>
//                    <|start_header_id|>assistant<|end_header_id|>\n\nCONTENT<|eot_id|>
//
//   olmo-2           tulu after BOS
//   gemma            <bos><start_of_turn>user\nCONTENT<end_of_turn>\n
//                    <start_of_turn>model\nCONTENT<end_of_turn>
//
//   smollm-2, qwen-2.5, qwen-3: as chatml, the first two with a system prompt of their own;
//   qwen-3-no-think: as qwen-3 where thinking is switched off; smollm-3: as chatml after a system
//   turn that always is there and says whether to think; smollm-3-no-think: the same where thinking
//   is switched off; llama-3.1 (and 3.2): as llama-3; mistral-v3: <s>[INST] CONTENT[/INST]
//   CONTENT</s>; mistral-nemo: the same without the spaces. All but smollm-2 with tools
//   (data/tool_format.h)
//
// (What takes two lines here is one text.) The first is what this library teaches. It encodes every
// content with a space in front, so that its first word is the same token as in running text
// (otherwise an answer "cooper" cannot use what pretraining taught about " cooper"). The others are
// for models trained elsewhere; they are recognised by their jinja text
// (checkpoint/hf_tokenizer_files.h) or chosen by name. A tokenizer carries its template
// (Tokenizer::with_chat_template), and so do checkpoints.
//
// What is in angle brackets with bars, and <s> and </s>, are control pieces of the tokenizer,
// inserted by id: no content can forge them. Not so zephyr's and tulu's roles and llama-2's [INST]:
// their authors made them plain text, so a content that holds them reads like another turn. Several
// system messages are all written, also where a template has one place for them.
//
// Training and generation share these functions, so that the training prefix equals the generation
// prompt, id for id.

#ifndef LIBMINILLM_DATA_CHAT_TEMPLATE_H_
#define LIBMINILLM_DATA_CHAT_TEMPLATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_format.h"

namespace minillm {

// The template of this library's own models: stored in checkpoints and cache keys.
inline constexpr const char* kChatTemplateId = "chatml-space-v1";

// What surrounds the content of one role.
struct TurnFormat {
  using Part = TurnPart;
  std::vector<Part> header;
  std::string before, after;  // text around the content; in an answer, both are part of it
  std::string end;            // the control piece that ends the turn; empty: none
  std::vector<Part> next;     // what follows if another message does
};

// The first system turn of a template that says there whether to think (SmolLM 3): it is always
// there, `before` + "/think" or "/no_think" + `after` + the prompt + `after_prompt`. If the prompt
// holds one of these two words, it decides; both are taken off the prompt, and white space at its
// end. Where it holds "/system_override", the rest of it is all that is written. Only then, or
// after tools, a control piece ends the turn.
struct ReasoningModes {
  bool thinks = true;  // where the prompt does not say
  std::string before, after, after_prompt;
  std::string thinking_prompt, silent_prompt;  // where there is no prompt, by mode
};

struct ChatTemplate {
  std::string id;
  std::string start;                            // the control piece at position 0; empty: none
  std::array<TurnFormat, kRoles.size()> turns;  // by Role
  bool trims = false;                           // contents lose (ASCII) white space at both ends
  bool trims_answers = false;                   // answers do, in any case
  bool trims_questions = false;                 // questions do, without what is put in front
  // An answer to the last question begins with its thoughts, between <think> and </think> (empty
  // ones if it has none, and is the last message); answers to earlier ones lose theirs.
  bool thinks = false;
  // `thinks`: the thoughts of the answer to come are these, and part of the prompt.
  std::string no_thoughts;
  // With modes, answers are written as they are, thoughts and all, but for line ends in front.
  // Where the mode is not to think, `no_thoughts` come before each of them, and are not learned.
  std::optional<ReasoningModes> modes;
  // If not empty: the system prompt goes, between these, in front of the next user message.
  // `system_last`: of the last one instead, as far as there is one.
  std::string system_begin, system_end;
  bool system_last = false;
  std::optional<std::string> default_system;  // said where a conversation has no system prompt
  const ToolFormat* tools = nullptr;          // null: it cannot write any
  // The same as jinja text, for other programs. It renders the start itself, so nobody else should
  // add one. Plain jinja: Hugging Face's `generation` tag would keep other programs from loading
  // it. It ends every turn, also the last.
  std::string jinja;

  const TurnFormat& turn(Role role) const { return turns[static_cast<size_t>(role)]; }
  const std::string& answer_end() const { return turn(Role::kAssistant).end; }
};

// The id of a template's control piece. <s> and </s> mean BOS and EOS in a tokenizer that
// calls them something else, as bos_token and eos_token do in jinja texts. -1: it has no such one.
Token control_piece(const Tokenizer& tokenizer, const std::string& piece);

std::span<const ChatTemplate> chat_templates();
// Throws Error (kUsage) listing the ones there are.
const ChatTemplate& chat_template_named(std::string_view id);
// The template that writes what a jinja text writes, which a number of conversations show. nullptr:
// none does, or the text goes beyond what is understood (data/jinja.h).
const ChatTemplate* recognise_chat_template(std::string_view jinja);

// A conversation as the template writes it, control pieces as letters; if `open`, followed by what
// comes in front of an answer.
std::string chat_template_text(const ChatTemplate& format, const std::vector<Message>& messages,
                               bool open);

// A sequence of ids with its loss mask: `supervised[i]` says that token i is to be predicted (from
// i-1). supervised[0] is always false.
struct RenderedSequence {
  std::vector<Token> tokens;
  std::vector<uint8_t> supervised;
  Index supervised_count() const;
};
// These write with the tokenizer's template, and throw Error if it has none.
//
// Supervises the content and the end token of every supervised assistant message, but not headers,
// prompts, or what follows the end token; calls of tools are content, what tools return is not.
// Ends with the last end token (nothing follows it).
RenderedSequence render_conversation(const Tokenizer& tokenizer,
                                     const std::vector<Message>& messages);

// The generation prompt: everything up to the answer's content.
std::vector<Token> render_prompt(const Tokenizer& tokenizer, const std::vector<Message>& messages);
// An answer as it follows the prompt: content, then the end token. render_conversation is
// render_prompt + render_answer for a single turn.
std::vector<Token> render_answer(const Tokenizer& tokenizer, const std::string& content);
std::vector<Token> render_answer(const Tokenizer& tokenizer, const Message& answer);

struct RenderedPair {
  std::vector<Token> prompt;  // render_prompt
  std::vector<Token> chosen;  // render_answer; empty if there is no such answer
  std::vector<Token> rejected;
  double margin = 0;  // the pair's
};
RenderedPair render_pair(const Tokenizer& tokenizer, const PreferencePair& pair);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_CHAT_TEMPLATE_H_
