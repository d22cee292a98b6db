// A trial of our own diagnosis (eval/diagnosis.h): stages are damaged on purpose, what fails then
// is asked, and the phase that the diagnosis names is compared with the one that was damaged.

#ifndef LIBMINILLM_LAB_DIAGNOSIS_TRIAL_H_
#define LIBMINILLM_LAB_DIAGNOSIS_TRIAL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libminillm/lab/laboratory.h"

namespace minillm::lab {

// Of the questions that a damage concerns and that its last stage fails.
struct DiagnosisTrial {
  std::vector<std::string> phases;  // as rows and columns
  // named[damaged][phase]: how often the diagnosis names that phase; summed over seeds.
  std::map<std::string, std::map<std::string, int64_t>> named;
  double right() const;  // the share of all that is named as it was damaged
};

// Damages, one at a time: half of the test people are told of in no story; conversations have no
// lists; pairs about harm are the wrong way round. Everything else is as in base, sft, dpo. Throws
// as Laboratory::run does.
DiagnosisTrial try_diagnosis(Laboratory& laboratory);

std::string diagnosis_markdown(const DiagnosisTrial& trial);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_DIAGNOSIS_TRIAL_H_
