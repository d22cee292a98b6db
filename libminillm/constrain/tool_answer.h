// ToolAnswer: what an answer may be where tools may be called: a text, calls, or a text and calls,
// as the chat template writes them.
//
// Where marks such as <tool_call> are control pieces of the tokenizer, they are tokens of the
// grammar as all others are (TokenTrie::mark_bytes): no letters can forge one.

#ifndef LIBMINILLM_CONSTRAIN_TOOL_ANSWER_H_
#define LIBMINILLM_CONSTRAIN_TOOL_ANSWER_H_

#include <optional>
#include <string>
#include <vector>

#include "libminillm/constrain/grammar.h"
#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"

namespace minillm {

struct ToolAnswer {
  std::vector<Tool> tools;  // that may be called
  // Exactly one call and no text: then arguments are such as its declared parameters allow. Else
  // only those of a tool that is declared `"strict": true` are; of others, any JSON object.
  bool must_call = false;
  bool takes_many = true;  // calls, where the answer need not be one
  // What an answer without calls obeys (constrain/json_schema.h); then no text comes before calls.
  // Empty: any text.
  std::optional<std::string> schema = {};
};

// Of the answers in the tokenizer's chat template. Throws Error if the template cannot write tools;
// or `tool 'name': ...` if a declaration is no JSON, or asks for what is not supported
// (constrain/json_schema.h).
Grammar tool_answer_grammar(const Tokenizer& tokenizer, const ToolAnswer& answer);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_TOOL_ANSWER_H_
