#include "tools/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <vector>

namespace minillm {
namespace {

using Words = std::vector<std::string>;

std::string function_name(const CLI::App& app) {
  std::string name = "_" + app.get_name();
  std::ranges::replace(name, '-', '_');
  return name;
}

Words subcommands(const CLI::App& app) {
  Words names;
  for (const CLI::App* command : app.get_subcommands({}))
    if (!command->get_name().empty()) names.push_back(command->get_name());  // not option groups
  return names;
}

std::string long_name(const CLI::Option& option) { return "--" + option.get_lnames().front(); }

// The options of a command, including those of its option groups. Hidden ones have no group.
std::vector<const CLI::Option*> options(const CLI::App& app) {
  std::vector<const CLI::Option*> result;
  for (const CLI::Option* option : app.get_options())
    if (!option->get_lnames().empty() && !option->get_group().empty()) result.push_back(option);
  for (const CLI::App* group : app.get_subcommands({}))
    if (group->get_name().empty())
      for (const CLI::Option* option : options(*group))
        if (long_name(*option) != "--help") result.push_back(option);
  return result;
}

// The keys of the config, which the help text lists one per line: "  train.steps   0   ...".
Words config_keys(const CLI::App& app) {
  Words keys;
  std::istringstream footer(app.get_footer());
  for (std::string line; std::getline(footer, line);) {
    const std::string key = line.substr(0, line.find(' ', 2));
    if (key.starts_with("  ") && key.find('.') != key.npos) keys.push_back(key.substr(2) + "=");
  }
  return keys;
}

// What can follow an option: {a,b} or {a->0,b->1} in the description of its type.
Words choices(const CLI::App& app, const CLI::Option& option) {
  if (long_name(option) == "--set") return config_keys(app);
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{'), end = type.find('}');
  Words words;
  if (begin == type.npos || end == type.npos) return words;
  std::istringstream list(type.substr(begin + 1, end - begin - 1));
  for (std::string word; std::getline(list, word, ',');)
    words.push_back(word.substr(0, word.find("->")));
  return words;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// Each command by its name; the tool itself by "".
std::vector<std::pair<std::string, const CLI::App*>> commands(const CLI::App& app) {
  std::vector<std::pair<std::string, const CLI::App*>> result = {{"", &app}};
  for (const std::string& name : subcommands(app))
    result.emplace_back(name, app.get_subcommand(name));
  return result;
}

// One line of zsh's _arguments: '*--set[key=value]:value:(a b)'.
std::string zsh_argument(const CLI::App& app, const CLI::Option& option) {
  std::string description;
  for (const char c : option.get_description()) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') description += '\\';
    description += c == '\'' ? '"' : c;
  }
  const Words words = choices(app, option);
  const std::string action = words.empty() ? "_files" : fmt::format("({})", fmt::join(words, " "));
  return fmt::format("'*{}[{}]{}'", long_name(option), description,
                     takes_value(option) ? ":value:" + action : "");
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string words, values;
  for (const auto& [name, command] : commands(app)) {
    Words all = subcommands(*command);
    for (const CLI::Option* option : options(*command)) {
      all.push_back(long_name(*option));
      if (!takes_value(*option)) continue;
      const Words choice = choices(*command, *option);
      values += fmt::format("    '{}:{}') ", name, long_name(*option));
      values += choice.empty() ? "return ;;\n"  // files, by -o default
                               : fmt::format("words='{}' ;;\n", fmt::join(choice, " "));
    }
    words += fmt::format("    '{}') words='{}' ;;\n", name, fmt::join(all, " "));
  }
  const std::string function = function_name(app);
  return fmt::format(
      "# bash completion for {0}\n"
      "{1}() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= "
      "words= word\n"
      "  COMPREPLY=()\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case \" {2} \" in *\" $word \"*) command=$word; break ;; esac\n"
      "  done\n"
      "  case \"$command\" in\n{3}  esac\n"
      "  case \"$command:$previous\" in\n{4}  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "  [[ ${{#COMPREPLY[@]}} -ne 1 || ${{COMPREPLY[0]}} != *= ]] || compopt -o nospace "
      "2>/dev/null\n"
      "}}\n"
      "complete -o default -F {1} {0}\n",
      app.get_name(), function, fmt::join(subcommands(app), " "), words, values);
}

std::string zsh_completion(const CLI::App& app) {
  const auto arguments = [](const CLI::App& command) {
    std::string lines;
    for (const CLI::Option* option : options(command))
      lines += " \\\n    " + zsh_argument(command, *option);
    return lines;
  };
  const std::string function = function_name(app);
  std::string text = fmt::format("#compdef {}\n", app.get_name());
  const Words names = subcommands(app);
  if (names.empty())
    return text + fmt::format("{0}() {{\n  _arguments{1} \\\n    '*:file:_files'\n}}\n{0} \"$@\"\n",
                              function, arguments(app));
  text += fmt::format(
      "{}() {{\n  local state line\n  _arguments -C{} \\\n    '1:command:({})' \\\n"
      "    '*::argument:->argument'\n  [[ $state == argument ]] || return\n"
      "  case $line[1] in\n",
      function, arguments(app), fmt::join(names, " "));
  for (const std::string& name : names)
    text += fmt::format("  {})\n    _arguments{} \\\n    '*:file:_files' ;;\n", name,
                        arguments(*app.get_subcommand(name)));
  return text + fmt::format("  esac\n}}\n{} \"$@\"\n", function);
}

void add_completion_option(CLI::App& app) {
  app.add_option_function<std::string>(
         "--completion",
         [&app](const std::string& shell) {
           fmt::print("{}", shell == "zsh" ? zsh_completion(app) : bash_completion(app));
           throw CLI::Success();  // before anything else is required
         },
         "print the completion script for a shell")
      ->check(CLI::IsMember({"bash", "zsh"}));
}

}  // namespace minillm
