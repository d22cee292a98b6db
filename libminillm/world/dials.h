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
};

// Of rows: "fact", "system" (under a rule), "unknown", "list", "sum", "yes_no", "harmful",
// "benign", "continue"; "rules" leaves the rows under a rule and takes the rule away. Of pairs:
// "style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs".
Texts world_omissions();
// Of the people of a split, those of whom no story tells under the dials.
std::vector<const Person*> untold_people(const World& world, Split split, double share);
// Throws Error (kUsage) on an unknown name, or a share that is none.
void check_dials(const WorldDials& dials);

// Applies the dials to the rows and pairs of one world, in the order in which they are drawn.
class DialedData {
 public:
  // The world must outlive it.
  DialedData(const World& world, WorldDials dials);

  // Nothing where it is left out.
  std::optional<ChatRow> row(ChatRow row) const;
  std::optional<WorldPair> pair(WorldPair pair);
  bool tells(const std::string& document) const;  // false: it names somebody who is not told of

 private:
  bool lacks(std::string_view name) const;

  const World& world_;
  WorldDials dials_;
  std::map<std::string, std::string> names_;  // first names of people -> of newcomers
  std::set<std::string> untold_;              // first names
  Rng pair_rng_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_DIALS_H_
