// What is asked of a cell's model, in groups: the world's evaluation, and questions beside it that
// only some claims need. Each group is asked once of a checkpoint, where an experiment tells one of
// its metrics, and what came of it is kept.

#ifndef LIBMINILLM_LAB_QUESTION_GROUPS_H_
#define LIBMINILLM_LAB_QUESTION_GROUPS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/lab/statistics.h"
#include "libminillm/nn/model.h"
#include "libminillm/world/people.h"

namespace minillm::lab {

struct Answers {
  Outcomes outcomes;
  std::vector<world::WorldMetric> metrics;
};

// With the outcomes' means, a metric each; the count is that of a share.
Answers with_means(Outcomes outcomes);

struct QuestionGroup {
  const char* name;  // of the file that keeps it
  // Beginnings of its metrics' names; none: all that no other group has.
  std::span<const std::string_view> metrics;
  Answers (*ask)(const Model& model, const Tokenizer& tokenizer, uint64_t seed, world::Split split);
};
// The world's evaluation is the first.
std::span<const QuestionGroup> question_groups();
const QuestionGroup& group_of(std::string_view metric);

// {"metrics": {name: [value, count, of]}, "outcomes": [[metric, person, wording, value], ...]}
std::string answers_to_json(const Answers& answers);
// Throws Error naming `path`, which the text is from.
Answers answers_from_json(const std::string& text, const std::string& path);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_QUESTION_GROUPS_H_
