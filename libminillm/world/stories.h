// The documents of the pretraining corpus.

#ifndef LIBMINILLM_WORLD_STORIES_H_
#define LIBMINILLM_WORLD_STORIES_H_

#include <string>

#include "libminillm/world/people.h"

namespace minillm::world {

// A document about Velloway, about 72 tokens. In a thousand: 455 tales of one person (four to six
// facts), 275 meetings of two (three facts each), 105 written questions and answers (train people
// and strangers only), 80 notes on who is known and who is not, 55 deeds, 30 little sums.
std::string write_document(Rng& rng, const World& world);

// A tale of this person.
std::string tell_of_one(Rng& rng, const Person& person);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_STORIES_H_
