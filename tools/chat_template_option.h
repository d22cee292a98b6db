// --chat-template: how conversations are written, if not with the checkpoint's template.

#ifndef TOOLS_CHAT_TEMPLATE_OPTION_H_
#define TOOLS_CHAT_TEMPLATE_OPTION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/chat_template.h"

namespace minillm {

inline void add_chat_template_option(CLI::App& app, std::string& name) {
  std::vector<std::string> names;
  for (const ChatTemplate& t : chat_templates()) names.push_back(t.id);
  app.add_option("--chat-template", name,
                 "how to write conversations (default: the checkpoint's template)")
      ->check(CLI::IsMember(names));
}

// The checkpoint's tokenizer; with the template `name` if that is not empty.
inline Tokenizer tokenizer_with(const Checkpoint& checkpoint, const std::string& name) {
  const Tokenizer stored = checkpoint.tokenizer();
  return name.empty() ? stored : stored.with_chat_template(chat_template_named(name));
}

}  // namespace minillm

#endif  // TOOLS_CHAT_TEMPLATE_OPTION_H_
