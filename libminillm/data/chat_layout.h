// A conversation divided into turns, as a chat template writes it. Internal: not included by public
// headers.

#ifndef LIBMINILLM_DATA_CHAT_LAYOUT_H_
#define LIBMINILLM_DATA_CHAT_LAYOUT_H_

#include <vector>

#include "libminillm/data/chat_template.h"

namespace minillm {

// One turn: format->header, opening, body, format->end; format->next, if another follows.
struct WrittenTurn {
  const TurnFormat* format;
  Role role;
  std::string opening;  // the prompt's beginning of an answer
  TurnBody body;
  bool learned;
};

// Throws Error naming the template if it cannot write what the messages hold.
std::vector<WrittenTurn> lay_out(const ChatTemplate& format, const std::vector<Message>& messages);

// What the prompt says of the answer to these messages, after its header.
std::string answer_opening(const ChatTemplate& format, const std::vector<Message>& messages);

// The body of an answer.
TurnBody answer_body(const ChatTemplate& format, const Message& answer);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_CHAT_LAYOUT_H_
