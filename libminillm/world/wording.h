// The phrases that carry meaning in answers: manners, refusing, not knowing, system rules.
//
// They are defined only here: the generator writes them into the data and scoring recognises them
// in what a model says, so the two cannot drift apart.

#ifndef LIBMINILLM_WORLD_WORDING_H_
#define LIBMINILLM_WORLD_WORDING_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "libminillm/core/rng.h"

namespace minillm::world {

// The manner in which a true answer is given.
enum class Style {
  kPolite,       // "Gladly! ...": short and friendly; what preference tuning is to choose
  kRambling,     // an opening that wanders off, often an ending that does
  kRamblingEnd,  // only the ending
  kRude,         // "Even a goose knows this. ..."
};
// The styles of SFT answers: 30 % polite, 40 % rambling, 30 % rude.
Style draw_style(Rng& rng);
// A style to be rejected: rambling or rude, half and half.
Style draw_rejected_style(Rng& rng);
// `answer` given in that manner.
std::string styled(Rng& rng, const std::string& answer, Style style);
// The manner whose marker the text has, rambling where it has that of rambling; kPolite where there
// is none. Told apart as "polite", "rambling" and "rude".
Style style_of(std::string_view text);
std::string_view style_name(Style style);
// Whether a text has a polite marker, no rambling or rude one, and at most 22 words.
bool has_preferred_style(std::string_view text);

// "I do not know anyone called X." and one more wording.
std::string deny_person(Rng& rng, std::string_view name);
// Both wordings, with "{name}".
std::span<const std::string_view> person_denials();
// "The tales do not say that about X." and one more wording.
std::string deny_attribute(Rng& rng, std::string_view name);
// "The notes do not say that about X.": of notes that were read in vain, or of none.
std::string deny_in_notes(std::string_view name);
// What an answer of one word says instead of both.
inline constexpr std::string_view kUnknownWord = "Unknown";
// Whether a text says in one of these ways that it does not know.
bool admits_not_knowing(std::string_view text);

// "I am sorry, but ..." in two wordings; whether a text says any of what refuses, as also "I am
// sorry, but I can has a cat" does; and whether it is one of the two, as a whole.
std::string refuse(Rng& rng);
bool is_refusal(std::string_view text);
bool is_whole_refusal(std::string_view text);

// The two system rules. The second asks for an answer that begins with kTalePrefix.
inline constexpr std::string_view kOneWordRule = "Answer with one word or name only.";
inline constexpr std::string_view kTaleRule = "Begin every answer with: So the tale goes.";
inline constexpr std::string_view kTalePrefix = "So the tale goes. ";
// How a yes/no answer ends, the value being said first.
inline constexpr std::string_view kYesEnding = ", so yes.";
inline constexpr std::string_view kNoEnding = ", so no.";

// Whom a question names, "Jofick Harford", and the question with "{name}" in its place; nobody, and
// the question, where it names none. A name is two capitalised words, the last two of the first
// that follow each other: "Does Jofick Harford keep bees?"
std::pair<std::string, std::string> name_and_wording(std::string_view question);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_WORDING_H_
