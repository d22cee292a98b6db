// Notes: sentences that are looked up for a question, and how a model is shown them.
//
// They follow the user's own system prompt, in the system message, as a model is taught to read
// them:
//   <system> Answer in one word. Notes: Mary plays the fiddle. Mary has sold her goat.
//   <system> Notes: none.                                        (where none was found)
// Training rows, evaluation and the tools all write them with these functions, so they cannot
// differ. A note is content like any other: it is encoded as text, so one that holds `<|im_end|>`
// forges no turn where the template's markers are control pieces (data/chat_template.h).

#ifndef LIBMINILLM_DATA_NOTES_H_
#define LIBMINILLM_DATA_NOTES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/record.h"
#include "libminillm/data/tokenizer.h"

namespace minillm {

struct Note {
  std::string text;    // one sentence, after the heading of its document if that has one
  std::string source;  // where it is from: "register.txt#2", file and number of the document
  double score = 0;    // how well it fits the question; higher is better, comparable within one
};

// What looks notes up for a question: at most `limit`, the best first. NoteIndex::query is one.
using NoteSource = std::function<std::vector<Note>(const std::string& question, int64_t limit)>;
inline constexpr int64_t kMostNotes = 3;  // as many as a model is taught to read

// The content of the system message: `system` (may be empty), then the notes, after a space in
// either case, so that "Notes:" is the same tokens wherever it is.
std::string system_with_notes(std::string_view system, std::span<const std::string> notes);

// The prompt with these notes in its system message: the last of those it begins with, or one of
// its own.
std::vector<Message> with_notes(std::vector<Message> prompt, const std::vector<Note>& notes);

// The last user message, which notes are looked up for; "" if there is none.
std::string question_of(const std::vector<Message>& prompt);

struct NotedPrompt {
  std::vector<Message> messages;  // with the notes
  std::vector<Note> notes;        // those in it
  int64_t dropped = 0;            // the last ones, for which there was no room
};
// The prompt with as many notes, from the first on, as leave it at most `max_tokens` long when it
// is rendered; without any it may still be longer. Throws Error if the tokenizer has no chat
// template.
NotedPrompt fit_notes(const Tokenizer& tokenizer, const std::vector<Message>& prompt,
                      std::vector<Note> notes, Index max_tokens);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_NOTES_H_
