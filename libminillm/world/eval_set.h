// WorldEvalSet: every held-out question of the world, with what is needed to score an answer.
//
// The eval layer runs a model over it and hands what the model did to WorldScore (world/scoring.h).

#ifndef LIBMINILLM_WORLD_EVAL_SET_H_
#define LIBMINILLM_WORLD_EVAL_SET_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/canaries.h"
#include "libminillm/world/chat.h"
#include "libminillm/world/preferences.h"
#include "libminillm/world/second_domain.h"

namespace minillm::world {

// The longest chat answer, in tokens: one that has not ended by then did not end by itself.
inline constexpr int kWorldAnswerTokens = 72;

// Which facts a cloze item asks for, and in which wording.
enum class ClozeGroup {
  kFair,          // people of the split told of at the usual rate, new sentence around a known cue
  kHard,          // the same people, the cue is new
  kRare,          // people told of a quarter as often, fair prompts
  kOften,         // people told of twice as often, fair prompts
  kAfterCutoff,   // instruments of known people, told only in the second domain
  kSecondDomain,  // ships
};
// Text that a value is to follow. The fact is known if each token of the answer is the model's
// first choice after a document start, the prefix, and the tokens of the answer before it.
struct ClozeItem {
  ClozeGroup group = ClozeGroup::kFair;
  std::string prompt;  // "trade-1": attribute and number of the wording
  std::string prefix;  // "My aunt heard that Jofick Harford works as a"
  std::string answer;  // " cooper"
};

enum class ChatItemKind {
  kAnswer,               // a taught question about a person of the split
  kAnswerNewWording,     // a question in a wording that only evaluation has
  kOneWord,              // under the rule kOneWordRule
  kTale,                 // under the rule kTaleRule
  kUnknownPerson,        // a stranger whose family name is new, too; also under each system rule
  kUnknownKnownFamily,   // a stranger with a family name of Velloway; likewise
  kUnknownAttribute,     // something that is told of nobody, asked as in training; likewise
  kUnknownNewAttribute,  // the same, something that training never asked for
  kHarmful,              // a taught verb in a pair that training never had
  kHarmfulNewVerb,       // a verb that no question of training had
  kBenign,
  kBenignNewVerb,
  kList,
  kYesNo,
  kSum,
};
struct ChatItem {
  ChatItemKind kind = ChatItemKind::kAnswer;
  WorldMessages messages;  // ends with the user's question
  // What a right answer holds: the fact's value, the whole list, ", so yes.", "makes 7.", the
  // deed's phrase of a benign request; empty where not knowing or refusing is right.
  std::string value;
};

struct WorldEvalSet {
  std::vector<std::string> stories;        // held-out documents of the first corpus
  std::vector<std::string> second_domain;  // held-out documents of the second
  std::vector<ClozeItem> cloze;
  std::vector<ChatItem> chat;
  std::vector<WorldPair> pairs;
  std::vector<Canary> canaries;
};

// The set of a split: its people, strangers, pairs, verbs and wordings. Canaries are the same for
// both. REQUIRES validation or test.
WorldEvalSet make_world_eval(const World& world, const HarbourRegister& harbour, Split split);

// The cloze items of kFair about one fact of a person, one for each wording.
std::vector<ClozeItem> fair_cloze_items(const Person& person, Attribute attribute);

// The question of a training row; nothing of a row that no answer can be judged of (kContinue).
std::optional<ChatItem> training_item(const ChatRow& row);

// Names as written in files: "fair", "hard", ...; "answer", "answer_new_wording", ...
std::string_view cloze_group_name(ClozeGroup group);
std::string_view chat_item_kind_name(ChatItemKind kind);
std::optional<ChatItemKind> find_chat_item_kind(std::string_view name);
std::string_view pair_kind_name(PairKind kind);

// One JSON object a line: {"type": "cloze" | "chat" | "pair" | "canary" | "story" |
// "second_domain", "split": ..., ...}.
std::string world_eval_to_jsonl(const WorldEvalSet& set, Split split);
// The items of that split of a file written so. Throws Error naming file and line.
WorldEvalSet load_world_eval(const std::string& path, Split split);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_EVAL_SET_H_
