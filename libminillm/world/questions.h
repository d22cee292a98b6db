// Questions about people, and the plain answers to them.

#ifndef LIBMINILLM_WORLD_QUESTIONS_H_
#define LIBMINILLM_WORLD_QUESTIONS_H_

#include <string>
#include <string_view>

#include "libminillm/world/people.h"

namespace minillm::world {

// Question wordings. Taught ones are used in training (about train people) and in evaluation (about
// others), new ones only in evaluation; validation and test each have their own.
Texts taught_questions(Attribute attribute);            // six
Texts new_questions(Attribute attribute, Split split);  // two. REQUIRES validation or test
// Questions about things that are told of nobody.
Texts taught_unknown_attribute_questions();          // eight
Texts new_unknown_attribute_questions(Split split);  // two. REQUIRES validation or test

// Any of the six attributes.
Attribute draw_attribute(Rng& rng);
// The question about a person.
std::string ask(std::string_view question, const Person& person);
// The question about someone whom the tales do not know.
std::string ask_about_stranger(Rng& rng, std::string_view question, const std::string& name);
// The one plain sentence that answers: "Jofick Harford works as a cooper."
std::string plain_answer(const Person& person, Attribute attribute);

// "Is X a cooper?": about a trade, animal, street or food; half of the time the value is true.
struct YesNoQuestion {
  std::string question;
  std::string answer;  // the value first, then yes or no: "X works as a miller, so no."
  bool yes = false;
};
YesNoQuestion draw_yes_no(Rng& rng, const Person& person);

// "What is 3 plus 4?" and "3 plus 4 makes 7."; operands 1 to 9.
std::string sum_question(int a, int b);
std::string sum_statement(int a, int b);
std::string sum_value(int a, int b);  // "makes 7.", what a right answer ends with

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_QUESTIONS_H_
