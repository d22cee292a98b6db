// Reads the rules of a policy file (policy.h). Internal.

#ifndef LIBMINILLM_POLICY_POLICY_FILE_H_
#define LIBMINILLM_POLICY_POLICY_FILE_H_

#include <string>
#include <vector>

#include "libminillm/policy/policy.h"

namespace minillm {

// Throws Error (kUsage) `policy '<name>':<line>: ...`.
std::vector<PolicyRule> read_policy_rules(const std::string& toml, const std::string& name);

}  // namespace minillm

#endif  // LIBMINILLM_POLICY_POLICY_FILE_H_
