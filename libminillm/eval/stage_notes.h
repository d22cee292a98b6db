// The stages of the pipeline, in words and facts: one entry a stage, in the order of training. What
// reports, diagnosis, the tools' help and the stages themselves say of a stage is said here; how it
// is run, in pipeline/stages.h.

#ifndef LIBMINILLM_EVAL_STAGE_NOTES_H_
#define LIBMINILLM_EVAL_STAGE_NOTES_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm {

// What a right answer takes, and so which phase of training is to teach it: facts come from
// pretraining (and SFT shows how to tell them), form from SFT, choice from preference tuning.
enum class Skill { kUnknown, kFact, kForm, kChoice };

struct StageNotes {
  std::string name;   // "sft": as in lineages, and of its tool
  std::string phase;  // "fine-tuning"
  std::string title;  // "Supervised fine-tuning"
  Skill teaches = Skill::kUnknown;
  std::string task;       // what to do with it: a sentence for its tool
  std::string learns;     // what the model learns
  std::string data;       // its data, in words
  std::string row;        // a small example row
  std::string objective;  // a formula
  std::string where;      // what its symbols mean
  std::string loss_unit;  // "nats per token"

  bool chat = false;          // its data are conversations, written by a chat template
  bool from_scratch = false;  // it may start without a model, too
  std::string start;          // what it starts from
  std::string replay = {};    // what it may replay of the stage before; empty: nothing
};

const std::vector<StageNotes>& all_stage_notes();
const StageNotes& stage_notes(std::string_view name);  // empty texts where the stage is unknown

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_STAGE_NOTES_H_
