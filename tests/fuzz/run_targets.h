// The fuzz targets of what runs, worlds and people keep as files, beside those of targets.cc: each
// goes on to what the file is read for.

#ifndef TESTS_FUZZ_RUN_TARGETS_H_
#define TESTS_FUZZ_RUN_TARGETS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace minillm_testing {

void trainer_state(std::string_view bytes);    // a run is resumed with it, and takes a step
void metrics(std::string_view bytes);          // metrics.jsonl, up to all the reports
void summary(std::string_view bytes);          // summary.json, up to the reports
void prompts(std::string_view bytes);          // a first byte for the name, then the file
void world_eval(std::string_view bytes);       // eval.jsonl, written and read again
void reference_cache(std::string_view bytes);  // DPO's, used or computed anew

// Seeds of all of them but trainer_state.
std::map<std::string, std::vector<std::string>> run_seeds();

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_RUN_TARGETS_H_
