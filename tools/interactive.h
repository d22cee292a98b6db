// The interactive session of minillm-generate.

#ifndef TOOLS_INTERACTIVE_H_
#define TOOLS_INTERACTIVE_H_

#include <string>

#include "libminillm/generate/generator.h"

namespace minillm {

struct InteractiveOptions {
  std::string checkpoint;
  bool chat = false;          // also with a checkpoint that has not been taught to
  bool force = false;         // also with another chat template than it was taught
  std::string chat_template;  // empty: the checkpoint's
  std::string system;
  GenerationConfig generation;
};

// Reads lines from standard input until its end or /quit: chats (with a checkpoint that has been
// taught to, or if asked to), or continues each line as text. Ctrl-C ends the answer, not the
// session. Errors in the session are shown; only those of loading the first checkpoint are thrown.
void run_interactive(const InteractiveOptions& options);

}  // namespace minillm

#endif  // TOOLS_INTERACTIVE_H_
