// Which questions a step asks: a pure function of the step, so that a resumed run asks the same.

#ifndef LIBMINILLM_RL_QUESTION_DRAW_H_
#define LIBMINILLM_RL_QUESTION_DRAW_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/core/real.h"
#include "libminillm/rewards/rewards.h"

namespace minillm {

class QuestionDraw {
 public:
  // `kinds`: "answer:30,harmful:18", or empty: every question is as likely as another. Throws Error
  // (kUsage) on a weight below 0, on weights that are all 0, and on a kind that no question has,
  // naming those there are.
  QuestionDraw(std::span<const RewardedQuestion> questions, const std::string& kinds,
               uint64_t seed);

  // The numbers of `count` different questions (fewer if there are not so many): a kind by its
  // weight, then one of its questions that the step has not asked yet.
  std::vector<Index> draw(Index step, Index count) const;

 private:
  struct Kind {
    std::string name;
    double weight;
    std::vector<Index> questions;
  };
  std::vector<Kind> kinds_;
  uint64_t seed_;
};

}  // namespace minillm

#endif  // LIBMINILLM_RL_QUESTION_DRAW_H_
