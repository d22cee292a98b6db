// Open-book data: questions that are answered from notes in front of them, which say what no
// memory can.
//
// Every row draws its values anew, about train people and fresh strangers, so that nothing but
// reading answers it. Notes tell facts in the stories' wordings, and instruments in wordings of
// their own: none is one of the second domain's (world/second_domain.h), whose late facts
// evaluation asks for.
//
// Every situation is taught, since a model fails in any that is left out. What has to be read must
// not be guessed: whether the notes tell, and where, has nothing to do with how many there are.

#ifndef LIBMINILLM_WORLD_OPEN_BOOK_H_
#define LIBMINILLM_WORLD_OPEN_BOOK_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/chat.h"
#include "libminillm/world/people.h"

namespace minillm::world {

// Of 100 rows:
enum class OpenBookKind {
  kOwnNotes,       // 20: one to three notes about who is asked about, the answer among them
  kAmongOthers,    // 15: the note among up to two about others
  kNotTold,        // 15: only about others, or only other facts: says that the notes do not tell
  kNone,           // 10: "Notes: none.", answered alike
  kAgainstMemory,  // 15: as kOwnNotes, but stories have told otherwise: the notes are followed
  kUnderRule,      // 10: any of these under a system rule, answered in its form
  kClosed,         // 15: without notes: from memory, or admits not to know
};

struct OpenBookRow {
  OpenBookKind kind = OpenBookKind::kOwnNotes;
  std::string name;                // who is asked about
  std::vector<std::string> notes;  // in the prompt; none in a row of kClosed, too
  bool told = false;               // whether one of them answers; false of kClosed
  std::string value;               // what a right answer holds; empty where it is not to be known
  WorldMessages messages;          // ends with the assistant's answer
};
OpenBookRow draw_open_book_row(Rng& rng, const World& world);

// The same as text, for pretraining: "Notes: ... \nQuestion: ... Answer: ...", two questions of the
// kinds with notes.
std::string write_open_book_document(Rng& rng, const World& world);

// --- What evaluation shares with the rows

// A story's sentence that tells the fact, with the full name.
std::string write_note(Rng& rng, const Person& person, Attribute attribute);
// Questions about the instrument, "Which instrument does {name} play?": taught, and those that only
// evaluation of that split asks (two each).
Texts taught_instrument_questions();
Texts new_instrument_questions(Split split);
// A copy of the person with other facts and an instrument, each drawn anew.
Person with_other_values(Rng& rng, const World& world, Person person);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_OPEN_BOOK_H_
