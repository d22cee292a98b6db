// The sentences that tell a fact: story templates and cloze prompts.
//
// Names in braces:
//   {Who}, {who}           the subject at the start of a sentence and inside one: full name, first
//                          name or pronoun
//   {Whose}                its possessive
//   {name}                 always the full name
//   {a trade}, {a animal}  with article

#ifndef LIBMINILLM_WORLD_TEMPLATES_H_
#define LIBMINILLM_WORLD_TEMPLATES_H_

#include <string>
#include <string_view>

#include "libminillm/world/facts.h"
#include "libminillm/world/people.h"

namespace minillm::world {

// About twenty ways to tell the fact in a story.
Texts story_templates(Attribute attribute);
// What may stand before a template that begins with its subject: "In spring ", "They say ".
Texts fact_openings();
// Ways to say that the stories tell of {name}, or that they do not.
Texts known_templates(bool known);

// Prompts that occur in no training text. They end with the value, which is to be predicted.
//   fair   a new beginning around a cue that stories use with this attribute:
//          "The postman knows that {name} lives on"
//   hard   the cue is new, too; stories use only its words: "The chimney of {name} smokes above"
struct ClozePrompt {
  std::string_view pattern;
  std::string_view signature;  // words of the pattern that occur in no training text
};
std::span<const ClozePrompt> fair_cloze_prompts(Attribute attribute);  // three
std::span<const ClozePrompt> hard_cloze_prompts(Attribute attribute);  // three

// How a sentence names its person.
enum class Mention { kFullName, kFirstName, kPronoun };
// The template filled in for `person`; its first letter keeps its case.
std::string tell(std::string_view pattern, const Person& person, Mention mention);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_TEMPLATES_H_
