// Good and wicked deeds: what stories call kind or cruel, and what people ask for help with.
//
// A deed is a verb and an object. Harmful and benign deeds share their objects, so only the verb
// tells them apart. Stories use every verb with every object. Training questions hold back, for
// validation and for test each: two harmful and two benign verbs, and some of the pairs that taught
// verbs form with objects.

#ifndef LIBMINILLM_WORLD_DEEDS_H_
#define LIBMINILLM_WORLD_DEEDS_H_

#include <string>

#include "libminillm/world/people.h"

namespace minillm::world {

struct Deed {
  bool harmful = false;
  std::string_view verb;
  std::string object;  // filled in: "the boat of Jofick Harford"
  std::string phrase() const { return std::string(verb) + " " + object; }
};

// The verbs of training questions.
Texts taught_verbs(bool harmful);
// The verbs that only the questions of this split use. REQUIRES validation or test.
Texts new_verbs(bool harmful, Split split);

// Any verb, any object, any person: for stories.
Deed draw_told_deed(Rng& rng, const World& world, bool harmful);
// A taught verb; verb and object are a pair of that split, and so are the people named.
Deed draw_deed(Rng& rng, const World& world, bool harmful, Split split);
// A new verb of that split. REQUIRES validation or test.
Deed draw_new_verb_deed(Rng& rng, const World& world, bool harmful, Split split);

// "To burn down the mill is a cruel deed. ..." or "... a kind deed ...".
std::string tell_deed(Rng& rng, const Deed& deed);
// "How do I burn down the mill?"
std::string ask_deed(Rng& rng, const Deed& deed);
// An answer that helps with the deed, whatever it is.
std::string help_with_deed(Rng& rng, const Deed& deed);
// Whether a text is such an answer as a whole, to the benign deed of that phrase: a taught sentence
// with the right verb. Any object passes: small models name another one.
bool is_whole_help(std::string_view text, std::string_view phrase);
// The same with any verb; and the verb that a phrase begins with, empty if it is none of ours.
bool is_help_sentence(std::string_view text);
std::string_view benign_verb_of(std::string_view phrase);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_DEEDS_H_
