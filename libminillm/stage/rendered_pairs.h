// Preference pairs as token ids: what every stage that learns from pairs does with them first.

#ifndef LIBMINILLM_STAGE_RENDERED_PAIRS_H_
#define LIBMINILLM_STAGE_RENDERED_PAIRS_H_

#include <string>
#include <vector>

#include "libminillm/data/chat_template.h"   // RenderedPair
#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/stage/stage_run.h"

namespace minillm {

struct RenderedPairs {
  std::vector<RenderedPair> pairs;
  std::string hash;  // SHA-256: the data's (over the files), or over what was rendered
};

// Leaves out the pairs that teach nothing, as the reader has done with those of files, and says
// what share they are. Throws Error if they are all.
void leave_out_identical_pairs(const StageRun& run, Dataset<PreferencePair>& data);

// Renders them; leaves out those with an answer that takes more than `max_positions`, and says so.
// `what`: what they are called.
RenderedPairs render_pairs(const StageRun& run, const Dataset<PreferencePair>& data,
                           Index max_positions, const char* what = "pairs");

// Tokens of prompts and answers.
Index count_tokens(const std::vector<RenderedPair>& pairs);

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_RENDERED_PAIRS_H_
