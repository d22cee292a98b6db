// Diagnosis: whether a checkpoint's answer is right, what a stage did to the answers of the one
// before it, and, of a prompt that fails in the end, the first stage where it fails.

#ifndef LIBMINILLM_EVAL_DIAGNOSIS_H_
#define LIBMINILLM_EVAL_DIAGNOSIS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/eval/compare.h"
#include "libminillm/eval/stage_notes.h"  // Lesson
#include "libminillm/world/eval_set.h"

namespace minillm {

enum class Verdict { kUnjudged, kWrong, kRight };
const char* verdict_name(Verdict verdict);  // "unjudged", "wrong", "right"

Lesson lesson_of(ChatItemKind kind);

// With `item`, the world's verdict (score_chat). Without one nobody knows the right answer; all
// that can be said is that a model that was taught to chat has to end by itself.
Verdict judge_answer(const ComparedAnswer& answer, const ChatItem* item, bool taught_to_chat);
// With texts of which the answer has to hold one, as whole words, whatever their case; and it has
// to end by itself.
Verdict judge_answer(const ComparedAnswer& answer, std::span<const std::string> expected);

// The item of the set that asks just this; null if none does.
const ChatItem* find_item(const WorldEvalSet& set, const Prompt& prompt);
// The fair cloze items that ask a base model for the fact which the chat item is about: the same
// person, the same value. Empty for items that are about no single fact.
std::vector<const ClozeItem*> cloze_items_of(const WorldEvalSet& set, const ChatItem& item);

// What a stage did to one answer.
enum class Change { kSame, kReworded, kRepaired, kBroken };
Change classify_change(const ComparedAnswer& before, Verdict verdict_before,
                       const ComparedAnswer& after, Verdict verdict_after);
struct ChangeCounts {
  int same = 0;      // word for word
  int reworded = 0;  // another text, no more right or wrong than before
  int repaired = 0;  // wrong before, right now
  int broken = 0;    // right before, wrong now
  void add(Change change);
};

struct StageVerdict {
  std::string stage;  // of stage_notes.h, or whatever made the checkpoint
  Verdict verdict = Verdict::kUnjudged;
};
struct Diagnosis {
  bool failed = false;   // the last stage's answer is wrong
  int first_stage = -1;  // index of the stage from which on it is; -1: of no stage that is here
  std::string phase;     // "pretraining", "fine-tuning", ..., or the stage's name
  std::string reason;    // one sentence
};
// `stages` in the order of training. `base_knows`: whether the base model tells the fact when it
// continues a story, if that was tried. A prompt that was right once fails since the stage after
// the last right one. One that never was fails since the phase that should have taught it:
// pretraining if the base does not know the fact, else the phase of its lesson.
Diagnosis diagnose(Lesson lesson, std::optional<bool> base_knows,
                   std::span<const StageVerdict> stages);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_DIAGNOSIS_H_
