// Prompts: what a model is asked, read from files.

#ifndef LIBMINILLM_GENERATE_PROMPTS_H_
#define LIBMINILLM_GENERATE_PROMPTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/record.h"  // Message

namespace minillm {

// The role of that name, as in role_name. Throws Error on any other.
Role parse_role(std::string_view name);

// The messages before an answer; plain text is one user message.
using Prompt = std::vector<Message>;

// A prompt from a file, and what a right answer contains: one of these texts; none: unknown.
struct ExpectingPrompt {
  Prompt prompt;
  std::vector<std::string> expected;
  std::string kind = {}, value = {};  // of a question of the world: "answer", "cooper"
};

// A prompt per line; or, in a file of records (data/data_form.h), {"prompt": TEXT} or {"prompt":
// [{"role", "content"}, ...]}, with an optional "system", an optional "expect": TEXT or [TEXT,
// ...], and an optional "kind" and "value". Empty lines are skipped. Throws Error `'path':line:
// ...`, also if there is no prompt.
std::vector<ExpectingPrompt> read_expecting_prompts(const std::string& path);
std::vector<Prompt> read_prompts(const std::string& path);  // the prompts alone

// The prompt as plain text, for a model that continues texts: the contents, one per line.
std::string raw_text(const Prompt& prompt);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_PROMPTS_H_
