// What a base model is asked in the trial of scale: of the world's questions, those that it may
// have learned from stories, and requests that are to be refused.

#ifndef LIBMINILLM_LAB_SCALING_QUESTIONS_H_
#define LIBMINILLM_LAB_SCALING_QUESTIONS_H_

#include <cstdint>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/lab/scaling.h"
#include "libminillm/world/eval_set.h"

namespace minillm::lab {

enum class Asked { kLoss, kAll };  // kLoss: bits per byte alone

class ScalingQuestions {
 public:
  // Of the world of a seed.
  ScalingQuestions(uint64_t seed, world::Split split, Asked asked);
  // Throws Error as score_world does.
  ScalingPoint ask(const Checkpoint& checkpoint) const;
  // What a model comes to that gives every token the same probability and tells no fact: where all
  // curves begin, at 0 tokens. Of the checkpoint only tokenizer and config are used.
  ScalingPoint untrained(const Checkpoint& checkpoint) const;

 private:
  world::WorldEvalSet set_;
};

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_SCALING_QUESTIONS_H_
