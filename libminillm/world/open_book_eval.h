// Open-book evaluation: questions about late facts, to be answered from notes, and what an answer
// is worth.
//
// What is asked for is what instruments people of the split play: told in the second domain only,
// so that a model that has not read it must look it up.

#ifndef LIBMINILLM_WORLD_OPEN_BOOK_EVAL_H_
#define LIBMINILLM_WORLD_OPEN_BOOK_EVAL_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/scoring.h"
#include "libminillm/world/second_domain.h"

namespace minillm::world {

enum class OpenBookItemKind {
  kClosed,          // without notes: what is known by heart
  kLate,            // with the notes that are looked up, in a taught wording
  kLateNewWording,  // the same in a wording that only evaluation has
  kAmongOthers,     // with the right note among two about other players
  kNotTold,         // with notes about others only, or none
  kAgainstMemory,   // with notes that say otherwise than the stories did
};
struct OpenBookItem {
  OpenBookItemKind kind = OpenBookItemKind::kLate;
  std::string question;
  // What is shown; nothing: what is looked up. Empty of kClosed, which has no notes at all.
  std::optional<std::vector<std::string>> notes;
  std::string value;  // the right answer; empty where it is not to be known
  // What the notes say that is not the answer: of others, or, against memory, what stories said.
  std::vector<std::string> wrong;
};

// The questions about the split's people. REQUIRES validation or test.
std::vector<OpenBookItem> make_open_book_eval(const World& world, Split split);

// One JSON object a line: {"type": "open_book", "split", "kind", "question", "notes": [...] | null,
// "value", "wrong"}.
std::string open_book_eval_to_jsonl(const std::vector<OpenBookItem>& items, Split split);
// The items of that split of a file written so. Throws Error naming file and line.
std::vector<OpenBookItem> load_open_book_eval(const std::string& path, Split split);

// Collects answers and yields the metrics (data/README.md defines each).
class OpenBookScore {
 public:
  // `notes`: what the model was shown; `text`: what it said, of which white space around it does
  // not count. `by_name`: the notes were first put through the rule of names, as what is looked up
  // is: metrics of their own, of the items that are shown others' notes.
  void add(const OpenBookItem& item, const std::vector<std::string>& notes, std::string_view text,
           bool by_name = false);
  // In a fixed order; those without items have `of` 0.
  std::vector<WorldMetric> metrics() const;

 private:
  void count(std::string_view name, bool hit);

  std::map<std::string, WorldMetric, std::less<>> tallies_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_OPEN_BOOK_EVAL_H_
