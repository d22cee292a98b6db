// The world's items as a model reads them. Internal.

#ifndef LIBMINILLM_EVAL_WORLD_MESSAGES_H_
#define LIBMINILLM_EVAL_WORLD_MESSAGES_H_

#include <vector>

#include "libminillm/data/chat_template.h"  // RenderedSequence
#include "libminillm/data/record.h"
#include "libminillm/generate/generator.h"  // encode_raw_prompt
#include "libminillm/generate/prompts.h"    // parse_role
#include "libminillm/world/eval_set.h"

namespace minillm {

inline std::vector<Message> to_messages(const world::WorldMessages& world_messages) {
  std::vector<Message> messages;
  for (const world::WorldMessage& message : world_messages)
    messages.push_back({parse_role(message.role), message.content});
  return messages;
}

// The prefix, and the answer as what is to be predicted.
inline RenderedSequence render_cloze(const Tokenizer& tokenizer, const world::ClozeItem& item) {
  RenderedSequence sequence;
  sequence.tokens = encode_raw_prompt(tokenizer, item.prefix);
  sequence.supervised.resize(sequence.tokens.size(), false);
  const std::vector<Token> answer = tokenizer.encode(item.answer);
  sequence.tokens.insert(sequence.tokens.end(), answer.begin(), answer.end());
  sequence.supervised.resize(sequence.tokens.size(), true);
  return sequence;
}

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_WORLD_MESSAGES_H_
