// The layers around a model, on the world's questions: each question to the model alone and with a
// layer, side by side, and which answers the layer repaired or broke.

#ifndef LIBMINILLM_EVAL_LAYER_EVAL_H_
#define LIBMINILLM_EVAL_LAYER_EVAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/data/notes.h"  // NoteSource
#include "libminillm/data/tokenizer.h"
#include "libminillm/eval/scoring.h"
#include "libminillm/generate/tool_loop.h"
#include "libminillm/nn/model.h"
#include "libminillm/policy/policy.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/scoring.h"

namespace minillm {

// What is around the model; any of them may be missing.
struct AnswerLayers {
  NoteSource notes = {};                 // looked up for every question
  std::vector<CallableTool> tools = {};  // offered with every question
  const Policy* policy = nullptr;
};

// An answer that is right with the layer and wrong without, or the other way round.
struct ChangedAnswer {
  std::string question, alone, with_layer;
  bool repaired = false;  // else broken
};
struct LayerResult {
  std::string name;  // "closed", "notes", "tools", "policy", "all"
  // Those of world/scoring.h about chats, that have items.
  std::vector<world::WorldMetric> metrics;
  std::vector<ChangedAnswer> changed;  // against "closed", in the order of the items
  int64_t repaired() const;
  int64_t broken() const;
};
// "closed" first, then each layer that there is by itself, and all of them if there are several.
// Answers are generated greedily. Throws Error as evaluate_world does, and if the template cannot
// write the tools.
std::vector<LayerResult> evaluate_layers(const Model& model, const Tokenizer& tokenizer,
                                         const std::vector<world::ChatItem>& items,
                                         const AnswerLayers& layers, const Scoring& scoring = {});

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_LAYER_EVAL_H_
