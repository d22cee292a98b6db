// ForcedCall: an answer that has to be a call of a tool, whatever the model would rather say.
//
// It begins with what the template writes before a call's JSON, as a part of the prompt; then the
// model says the JSON, held to a schema (constrain/json_schema.h); what the template writes after
// it is added.

#ifndef LIBMINILLM_DATA_FORCED_CALL_H_
#define LIBMINILLM_DATA_FORCED_CALL_H_

#include <string>
#include <vector>

#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_calls.h"

namespace minillm {

class ForcedCall {
 public:
  // Throws Error if the tokenizer's template cannot write tools. The tokenizer must outlive it.
  explicit ForcedCall(const Tokenizer& tokenizer);

  // Goes in front of the answer, after render_prompt().
  std::vector<Token> beginning() const;
  // What the model may say: a call of one of the tools, with arguments that its declared parameters
  // allow; none where it declares none. Throws Error if a declaration is no JSON.
  std::string schema(const std::vector<Tool>& tools) const;
  // What a reader of the answer is told before the model's text, and after all of it.
  void begin(ToolCallReader& reader) const;
  void end(ToolCallReader& reader) const;

 private:
  void tell(ToolCallReader& reader, const std::string& written) const;

  const Tokenizer& tokenizer_;
  const ToolFormat& format_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_FORCED_CALL_H_
