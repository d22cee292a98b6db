// The sentences that tell a fact: story templates and cloze prompts.
//
// Names in braces: {Who} the subject at the start of a sentence and {who} inside one (full name,
// first name or pronoun), {Whose} its possessive, {name} always the full name, {a trade} and {a
// animal} with article.

#ifndef LIBMINILLM_WORLD_TEMPLATES_H_
#define LIBMINILLM_WORLD_TEMPLATES_H_

#include <string>
#include <string_view>

#include "libminillm/world/facts.h"
#include "libminillm/world/people.h"

namespace minillm {

// About twenty ways to tell the fact in a story.
Texts story_templates(Attribute attribute);

// Prompts that stand in no training text. They end with the value, which is to be predicted.
//   fair   a new beginning around a cue that stories use with this attribute ("The postman knows
//   that
//          {name} lives on")
//   hard   the cue itself is new, too ("The chimney of {name} smokes above"): stories only use its
//   words
struct ClozePrompt {
  std::string_view pattern;
  std::string_view signature;  // words of the pattern that occur in no training text
};
std::span<const ClozePrompt> fair_cloze_prompts(Attribute attribute);  // three
std::span<const ClozePrompt> hard_cloze_prompts(Attribute attribute);  // three

// How a sentence names its person.
enum class Mention { kFullName, kFirstName, kPronoun };
// The template told about `person`, its first letter as it stands in the template.
std::string tell(std::string_view pattern, const Person& person, Mention mention);

}  // namespace minillm

#endif  // LIBMINILLM_WORLD_TEMPLATES_H_
