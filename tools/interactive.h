// The interactive session of minillm-generate.

#ifndef TOOLS_INTERACTIVE_H_
#define TOOLS_INTERACTIVE_H_

#include <string>

#include "libminillm/generate/generator.h"

namespace minillm {

struct InteractiveOptions {
  std::string checkpoint;
  bool chat = false;          // even if the checkpoint has not been taught to
  bool force = false;         // even with a chat template other than the one it was taught
  std::string chat_template;  // empty: the checkpoint's
  std::string system;
  GenerationConfig generation;
};

// Reads lines from standard input until its end or /quit: chats (if the checkpoint has been taught
// to, or if asked to), or continues each line as text. Ctrl-C ends the answer, not the session.
// Errors in the session are shown; only those in loading the first checkpoint are thrown.
void run_interactive(const InteractiveOptions& options);

}  // namespace minillm

#endif  // TOOLS_INTERACTIVE_H_
