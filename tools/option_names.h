// The library names its own fields and functions ("options.resume continues it"), because those who
// link it have no command line. Who runs a tool knows them by other names: the one table of those.

#ifndef TOOLS_OPTION_NAMES_H_
#define TOOLS_OPTION_NAMES_H_

#include <cctype>
#include <string>
#include <string_view>

namespace minillm {

struct OptionName {
  std::string_view library, tool;
};
inline constexpr OptionName kOptionNames[] = {
    {"options.train_files", "--train"},
    {"options.eval_files", "--eval"},
    {"options.replay_files", "--replay"},
    {"options.init_from", "--init-from"},
    {"options.adapters", "--adapter"},
    {"options.force", "--force"},
    {"options.chat_template", "--chat-template"},
    {"options.tokenizer", "--tokenizer"},
    {"options.out", "--out"},
    {"options.resume", "--resume"},
    {"setting '", "--set '"},
    {"config_help", "--help"},
    {"llama2c_tokenizer", "--llama2c-tokenizer"},
    {"train_tokenizer", "minillm-tokenizer"},
    {"make_world_files", "minillm-world"},
    {"build_note_index", "minillm-notes build"},
    {"the figures of a world evaluation", "the figures of minillm-eval world --json"},
    {"the pretrain stage", "minillm-pretrain"},
    {"the sft stage", "minillm-sft"},
    {"the dpo stage", "minillm-dpo"},
};

// A message of the library as the user of a tool is to read it.
inline std::string in_flags(std::string_view text) {
  const auto in_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  // Whether it is there as words of its own: in quotes it is part of what the user gave.
  const auto is_at = [&](std::string_view name, size_t at) {
    if (!text.substr(at).starts_with(name)) return false;
    const size_t end = at + name.size();
    return (at == 0 || text[at - 1] == ' ' || text[at - 1] == '(') &&
           !(end < text.size() && in_name(name.back()) && in_name(text[end]));
  };
  std::string result;
  for (size_t at = 0; at < text.size();) {
    std::string_view from = text.substr(at, 1), to = from;
    for (const OptionName& name : kOptionNames)
      if (is_at(name.library, at)) from = name.library, to = name.tool;
    result += to;
    at += from.size();
  }
  return result;
}

}  // namespace minillm

#endif  // TOOLS_OPTION_NAMES_H_
