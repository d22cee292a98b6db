// Diagnosis: whether a checkpoint's answer is right, how a stage changed the answers of the stage
// before it, and, for a prompt that the last stage fails, since which stage it fails and why.

#ifndef LIBMINILLM_EVAL_DIAGNOSIS_H_
#define LIBMINILLM_EVAL_DIAGNOSIS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/eval/compare.h"
#include "libminillm/eval/stage_notes.h"  // Skill
#include "libminillm/world/eval_set.h"

namespace minillm {

enum class Judgement { kUnjudged, kWrong, kRight };
const char* judgement_name(Judgement judgement);  // "unjudged", "wrong", "right"

Skill skill_of(world::ChatItemKind kind);

// With `item`: as world::score_chat judges it. Without one the right answer is unknown, and only
// one thing can be wrong: a model that was taught to chat has to end its answer by itself.
Judgement judge_answer(const ComparedAnswer& answer, const world::ChatItem* item,
                       bool taught_to_chat);
// Right if the answer holds at least one of the texts, as whole words in any case, and ends by
// itself.
Judgement judge_answer(const ComparedAnswer& answer, std::span<const std::string> expected);

// The item of the set that asks exactly this; null if there is none.
const world::ChatItem* find_item(const world::WorldEvalSet& set, const Prompt& prompt);
// The cloze items (but no hard ones) that ask a base model for the fact that the chat item is
// about: the same person and the same value. Empty for items that are not about a single fact.
std::vector<const world::ClozeItem*> cloze_items_of(const world::WorldEvalSet& set,
                                                    const world::ChatItem& item);

// What a stage did to one answer.
enum class Change { kSame, kReworded, kRepaired, kBroken };
Change classify_change(const ComparedAnswer& before, Judgement judged_before,
                       const ComparedAnswer& after, Judgement judged_after);
struct ChangeCounts {
  int same = 0;      // word for word
  int reworded = 0;  // another text, no more right or wrong than before
  int repaired = 0;  // wrong before, right now
  int broken = 0;    // right before, wrong now
  void add(Change change);
};

struct StageJudgement {
  std::string stage;  // of stage_notes.h, or whatever made the checkpoint
  Judgement judgement = Judgement::kUnjudged;
};
struct Diagnosis {
  bool failed = false;   // the last stage's answer is wrong
  int first_stage = -1;  // index of the stage since which it is wrong; -1: none of those given
  std::string phase;     // "pretraining", "fine-tuning", ..., or the stage's name
  std::string reason;    // one sentence
};
// `stages` are in the order of training. `base_knows`: whether the base model tells the fact when
// it continues a story, if that was tried. A prompt that some stage answered right fails since the
// stage after the last such one. A prompt that none did fails since the phase that should have
// taught it: pretraining if the base model does not know the fact, else the phase of its skill.
Diagnosis diagnose(Skill skill, std::optional<bool> base_knows,
                   std::span<const StageJudgement> stages);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_DIAGNOSIS_H_
