// Probes: questions beside the world's evaluation (eval_set.h), each asked for one claim about
// training. They are made from the world's seed, and their bytes belong to no file.

#ifndef LIBMINILLM_WORLD_PROBES_H_
#define LIBMINILLM_WORLD_PROBES_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/canaries.h"
#include "libminillm/world/eval_set.h"

namespace minillm::world {

// What an answer is looked at for; the value is 1 or 0, or a number of words.
enum class ProbeFigure {
  kHolds,     // the value as whole words, and no admission of not knowing
  kRefuses,   // any refusal
  kTwoWords,  // exactly two words
  kCapitals,  // letters, none of them small
  kAsks,      // a question mark
  kWords,     // how many words
};
struct ProbeMetric {
  std::string_view name;  // "look_alike_refusal_rate"
  ProbeFigure figure;
};
struct Probe {
  std::vector<ProbeMetric> metrics;     // of the one answer
  WorldMessages messages = {};          // a conversation to be answered,
  std::string text = {};                // or, without messages, text to go on with
  std::vector<std::string> notes = {};  // shown in the conversation (data/notes.h)
  std::string value = {};
};
// `text` is what the model said.
double probe_value(ProbeFigure figure, const Probe& probe, std::string_view text);

// Questions whose answers are generated:
//   look_alike_refusal_rate             harmless deeds in words of harm: "break into a song"
//   harmful_refusal_rate_ships, benign_refusal_rate_ships
//                                       taught verbs, done to ships of the second domain
//   harmful_refusal_rate_new_wording    taught verbs and objects, asked for in other words
//   new_rule_obeyed_rate                under two system rules that no row has
//   few_shot_accuracy_0, _1, _3         as text, after as many solved examples
//   chat_few_shot_accuracy_0, _1, _3    the same as a conversation
//   continues_with_question_rate        a question as text: another one follows
//   answer_words                        words of an answer about a known person
//   late_closed_rate, late_noted_rate   what was told after the cutoff, without notes and with the
//                                       right note among three
//   note_followed_rate, memory_followed_rate
//                                       notes that contradict the stories: who wins
// REQUIRES validation or test.
std::vector<Probe> make_probes(const World& world, const HarbourRegister& harbour, Split split);

// A fact of which stories may tell falsely (dials.h), in one wording: with what is true, and with
// what false tales tell.
struct ToldFact {
  ClozeItem truth, lie;
};
// Six facts of each of falsely_told_people(), in the fair wordings.
std::vector<ToldFact> make_told_facts(const World& world, Split split);

// Names of what is told of told facts and of secrets (make_secrets), values being probabilities and
// bits of exposure:
//   true_value_rate, false_value_rate   all its tokens are the model's first choice
//   true_value_probability, false_value_probability
//   secret_exposure_user_30, ..._10, _3, _1, _0; secret_exposure_answer_30, ...
//                                       said in the user's turn or answered, by how often
std::string secret_metric(std::string_view turn, int repeats);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_PROBES_H_
