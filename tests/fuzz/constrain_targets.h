// The fuzz targets of what constrains texts, beside those of targets.cc.

#ifndef TESTS_FUZZ_CONSTRAIN_TARGETS_H_
#define TESTS_FUZZ_CONSTRAIN_TARGETS_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm_testing {

// A schema. What is compiled is followed at random: there is no dead end, and what ends is JSON.
void json_schema(std::string_view bytes);
std::vector<std::string> json_schema_seeds();

// An expression. What is compiled is followed at random, in all its forms.
void regex(std::string_view bytes);
std::vector<std::string> regex_seeds();

// A policy's file. What is read is tried on the file itself, whole and byte by byte.
void policy(std::string_view bytes);
std::vector<std::string> policy_seeds();

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_CONSTRAIN_TARGETS_H_
