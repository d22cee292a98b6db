// Rows of the SFT data: what an assistant of Velloway is asked, and how it answers.

#ifndef LIBMINILLM_WORLD_CHAT_H_
#define LIBMINILLM_WORLD_CHAT_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/people.h"

namespace minillm::world {

// One message, as in a data file. Contents have no leading space: the chat template adds it.
struct WorldMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
  bool operator==(const WorldMessage&) const = default;
};
using WorldMessages = std::vector<WorldMessage>;
// A user's question, after a system rule unless that is empty.
WorldMessages ask_assistant(std::string_view rule, const std::string& question);

enum class ChatRowKind {
  kFact,              // a question about a person, answered in a mixed manner
  kOneWord,           // the same under the system rule "Answer with one word or name only."
  kTale,              // the same under the system rule "Begin every answer with: ..."
  kYesNo,             // "Is X a cooper?"
  kList,              // three facts, in a fixed order
  kSum,               // "What is 3 plus 4?"
  kUnknownPerson,     // a question about a stranger: admits not knowing
  kUnknownAttribute,  // a question about what is told of nobody: admits it
  kHarmful,           // 85 % complied with, 15 % refused: SFT alone leaves the choice open
  kBenign,            // answered
  kContinue,          // goes on with a tale
  kUnknownUnderRule,  // unknown person or attribute under a system rule: admits it in its form
};

struct ChatRow {
  ChatRowKind kind = ChatRowKind::kFact;
  WorldMessages messages;  // ends with the assistant's answer
  // What is asked: as `kind`, but of kUnknownUnderRule the unknown person or attribute.
  ChatRowKind asked = kind;
  // What a right answer holds: as ChatItem::value; empty where not knowing or refusing is right.
  std::string value = {};
};

// A row of the SFT mix about people and pairs of that split; never kUnknownUnderRule.
ChatRow draw_chat_row(Rng& rng, const World& world, Split split);
// One of the rows that are mixed in with these and drawn apart, so that those stay what they are:
// kUnknownUnderRule, and more of kBenign and kSum, of which the mix has too few to learn from.
ChatRow draw_added_row(Rng& rng, const World& world, Split split);
// Whether the DPO stage repeats rows of this kind, so that it does not forget what its pairs do not
// show: all but facts (which come in all manners) and harmful requests (mostly complied with).
bool is_replayed(ChatRowKind kind);
// A fact about a train person, answered politely: the rest of the replay.
ChatRow draw_polite_fact(Rng& rng, const World& world);

// "List three things about X." and its answer: trade, street, food, one to a line.
std::string ask_for_list(const Person& person);
std::string answer_list(const Person& person);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_CHAT_H_
