// Runs a model over the embedded world's questions about tools: whether it calls them where they
// help, and only there.

#ifndef LIBMINILLM_EVAL_TOOL_EVAL_H_
#define LIBMINILLM_EVAL_TOOL_EVAL_H_

#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/tool_eval.h"

namespace minillm {

// All metrics of world/tool_eval.h. Answers are generated greedily, and the tools that they call
// are run (generate/built_in_tools.h). Throws Error if the model has no language head, the template
// cannot write tools, or an item exceeds the model's context.
std::vector<world::WorldMetric> evaluate_tools(const Model& model, const Tokenizer& tokenizer,
                                               const std::vector<world::ToolChat>& items,
                                               const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_TOOL_EVAL_H_
