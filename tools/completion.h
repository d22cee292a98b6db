// Shell completion, made from the options themselves: `minillm-sft --completion bash` (or zsh)
// prints the script that the package installs.

#ifndef TOOLS_COMPLETION_H_
#define TOOLS_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>

namespace minillm {

// Completes options, subcommands, choices, config keys after --set, and files everywhere else.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);

// Adds --completion, which prints one of them and ends the program.
void add_completion_option(CLI::App& app);

}  // namespace minillm

#endif  // TOOLS_COMPLETION_H_
