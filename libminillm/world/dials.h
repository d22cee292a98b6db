// Dials: what an experiment changes about the world's data, so that one thing differs and the rest
// keeps its bytes.

#ifndef LIBMINILLM_WORLD_DIALS_H_
#define LIBMINILLM_WORLD_DIALS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libminillm/world/chat.h"
#include "libminillm/world/preferences.h"
#include "libminillm/world/text.h"

namespace minillm::world {

struct WorldDials {
  // What conversations and pairs lack, names of world_omissions(). As many rows and pairs are
  // written: others take the place of those that are left out.
  std::vector<std::string> without = {};
  // The share of the train people who have another first name in conversations, one of which no
  // story tells: what is said of them there is new to a model that has read the stories. 0 to 1.
  double newcomers = 0;
  // The share of the pairs of style whose preferred answer is polite and false, the other one rude
  // or rambling and true. 0 to 1.
  double false_pairs = 0;
  // The share of the validation and test people of whom no story tells. 0 to 1.
  double untold = 0;
  // Pairs about harm the wrong way round: compliance is preferred, and so is refusing what is
  // harmless.
  bool inverted_pairs = false;
  // How often validation and test people are told of, of how often they would be: documents that
  // name them make room for others. 0 to 1.
  double told_rate = 1;
  // Which share of the documents that name falsely_told_people() tells false facts of them, the
  // same ones each time. 0 to 1.
  double told_falsely = 0;
  // The shares of some kinds of rows and of pairs, names of world_omissions(); the others share the
  // rest as they would share the whole.
  std::map<std::string, double> mix = {};
  // Of rows in which somebody asks for help with harm, the share that refuses; nothing: 15 %.
  std::optional<double> refused = {};
  // The only manner of rows about facts: "polite", "rambling" or "rude"; empty: all of them.
  std::string manner = {};
  // Pairs of style become pairs of length, both answers polite and true, one of them with a further
  // fact: "chosen" or "rejected" says which one is longer; empty: neither.
  std::string longer = {};
  // Rows with make_secrets() (canaries.h) are added: "user" says them in the user's turn, which is
  // not learned from, "assistant" in the assistant's; empty: there are none.
  std::string secrets = {};
};

// The part of the dials that stories depend on, and the part that rows and pairs do.
WorldDials dials_of_stories(const WorldDials& dials);
WorldDials dials_of_rows(const WorldDials& dials);

// Of rows: "fact", "system" (under a rule), "unknown", "list", "sum", "yes_no", "harmful",
// "benign", "continue"; "rules" leaves the rows under a rule and takes the rule away. Of pairs:
// "style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs". Of stories: "questions", the
// documents of questions and answers.
Texts world_omissions();
// Of the people of a split, those of whom no story tells under the dials.
std::vector<const Person*> untold_people(const World& world, Split split, double share);
// Of the people of a split who are told of as often as usual, those of whom false tales may be
// told: 24 of test, 12 of validation. REQUIRES validation or test.
std::vector<const Person*> falsely_told_people(const World& world, Split split);
// A world of the same seed in which what false tales tell is true.
World false_world(uint64_t seed);
// Throws Error (kUsage) on an unknown name, or a share that is none.
void check_dials(const WorldDials& dials);

// Applies the dials to the rows and pairs of one world, in the order in which they are drawn.
class DialedData {
 public:
  // The world must outlive it.
  DialedData(const World& world, WorldDials dials);

  // Nothing where it is left out.
  std::optional<ChatRow> row(ChatRow row);
  std::optional<WorldPair> pair(WorldPair pair);
  bool tells(const std::string& document);  // false: it is not written
  // Whether it is to be written as false_world() has it.
  bool tells_falsely(const std::string& document);
  // The first name that somebody has in conversations.
  const std::string& called(const Person& person) const;
  // Rows that are added to all others.
  std::vector<ChatRow> secret_rows() const;

 private:
  bool lacks(std::string_view name) const;
  bool names_any_of(const std::set<std::string>& first_names, const std::string& document) const;
  // Whether a row or pair of these kinds is the next one of the mix.
  bool is_next(std::string& next, Texts all, Texts kinds);
  void draw_next(std::string& next, Texts all);
  double share_to_keep() const;

  const World& world_;
  WorldDials dials_;
  std::map<std::string, std::string> names_;               // first names of people -> of newcomers
  std::set<std::string> untold_, thinned_, falsely_told_;  // first names
  Rng pair_rng_, story_rng_, row_rng_, mix_rng_;
  double kept_ = 1;                   // of the documents that name who is thinned
  std::string next_row_, next_pair_;  // kinds that the mix asks for; empty: any other
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_DIALS_H_
