// Divides a document into what is indexed: single sentences, each after its document's heading.

#ifndef LIBMINILLM_RETRIEVE_SENTENCES_H_
#define LIBMINILLM_RETRIEVE_SENTENCES_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm {

// The longest piece that is indexed, its heading included.
inline constexpr size_t kMostNoteWords = 64;
inline constexpr size_t kMostNoteBytes = 1024;

// The document's sentences in their order, white space between words made one space.
//
// A sentence ends with `.`, `!` or `?`, and quotes or brackets after it, unless what follows begins
// in lower case or the full stop is that of an initial ("J.") or of a common abbreviation; also
// at an empty line and in front of a list's item (`- `, `* `). One that is too long is cut between
// words.
//
// Headings are lines that begin with `#` (Markdown), and a first line that an empty line follows
// and that does not end as a sentence does. A sentence is preceded by the document's heading, and
// the section's if it is in one: "Mary Ashford, Life: She was born in 1815." Headings are
// shortened to 16 words. They are no sentences themselves.
std::vector<std::string> cut_sentences(std::string_view document);

}  // namespace minillm

#endif  // LIBMINILLM_RETRIEVE_SENTENCES_H_
