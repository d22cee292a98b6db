#include "libminillm/train/resume_check.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/config.h"

namespace minillm {
namespace {

constexpr std::array<std::string_view, 7> kFreeKeys = {
    "train.save_minutes", "train.patience",     "train.log_every", "train.eval_every",
    "train.save_every",   "train.sample_every", "train.keep_last"};

std::string shown(const std::string& value) { return value.empty() ? "nothing" : value; }

// Of one of the entry's data sets, or "".
std::string hash_of(const LineageEntry& entry, const std::string& name) {
  const auto found = entry.hashes.find(name);
  return found == entry.hashes.end() ? "" : found->second;
}

}  // namespace

void check_same_run(const LineageEntry& before, const LineageEntry& now,
                    const std::string& defaults, const std::string& run, bool may_be_longer) {
  std::vector<std::string> differences;
  const auto compare = [&](const std::string& what, const std::string& old_value,
                           const std::string& new_value) {
    if (old_value != new_value)
      differences.push_back(
          fmt::format("{} was {} and is {}", what, shown(old_value), shown(new_value)));
  };
  compare("the stage", before.stage, now.stage);
  compare("the seed", fmt::to_string(before.seed), fmt::to_string(now.seed));
  compare("the starting checkpoint", before.parent, now.parent);
  std::map<std::string, std::string> names = before.hashes;
  names.insert(now.hashes.begin(), now.hashes.end());
  for (const auto& [name, ignored] : names) {
    if (name != "eval")
      compare(fmt::format("the hash of '{}'", name), hash_of(before, name), hash_of(now, name));
  }
  for (const ConfigDifference& d : config_differences(before.config, now.config, defaults)) {
    if (std::find(kFreeKeys.begin(), kFreeKeys.end(), d.key) != kFreeKeys.end()) continue;
    if (may_be_longer && (d.key == "train.steps" || d.key == "train.epochs")) continue;
    if (d.after.empty())
      differences.push_back(
          fmt::format("{} was {}, but no key is called that now", d.key, d.before));
    else
      compare(d.key, d.before, d.after);
  }
  MINILLM_CHECK_USAGE(differences.empty(),
                      "run '{}': cannot resume, because this is another run: {} (resume with the "
                      "same config and data, or start a new run in another directory)",
                      run, fmt::join(differences, "; "));
}

}  // namespace minillm
