// The chat template: ChatML, built as ids, segment by segment, never by formatting text and
// encoding it.
//
//   <s><|im_start|>user\n CONTENT<|im_end|>\n<|im_start|>assistant\n CONTENT<|im_end|>\n
//
// Every content is encoded by itself with one space in front, so its first word has the same token
// as in running text (otherwise what pretraining taught about " cooper" is hidden from an answer
// "cooper"). Training and generation share these functions, so the training prefix is the
// generation prompt id for id.

#ifndef LIBMINILLM_DATA_CHAT_TEMPLATE_H_
#define LIBMINILLM_DATA_CHAT_TEMPLATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"

namespace minillm {

inline constexpr const char* kChatTemplateId =
    "chatml-space-v1";  // stored in checkpoints and cache keys

// The same template as jinja text, for tokenizer_config.json. It renders BOS itself, so whoever
// applies it adds none. Plain jinja: the `generation` tag of Hugging Face would keep other programs
// from loading it.
std::string chat_template_jinja();

// A sequence of ids with its loss mask: `supervised[i]` says that token i is to be predicted (from
// i-1). supervised[0] is always false.
struct RenderedSequence {
  std::vector<Token> tokens;
  std::vector<uint8_t> supervised;
  Index supervised_count() const;
};
// Supervises the content and <|im_end|> of every supervised assistant message; headers, prompts and
// the newline behind <|im_end|> are not. Exactly one BOS, at 0. Ends with the last <|im_end|>
// (nothing follows it). Throws Error if the tokenizer has no chat markers.
RenderedSequence render_conversation(const Tokenizer& tokenizer,
                                     const std::vector<Message>& messages);

// The generation prompt: everything up to and including "<|im_start|>assistant\n".
std::vector<Token> render_prompt(const Tokenizer& tokenizer, const std::vector<Message>& messages);
// An answer as it follows the prompt: " " + content, then <|im_end|>. render_conversation is
// render_prompt + render_answer for a single turn.
std::vector<Token> render_answer(const Tokenizer& tokenizer, const std::string& content);

struct RenderedPair {
  std::vector<Token> prompt;  // render_prompt
  std::vector<Token> chosen;  // render_answer
  std::vector<Token> rejected;
};
RenderedPair render_pair(const Tokenizer& tokenizer, const PreferencePair& pair);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_CHAT_TEMPLATE_H_
