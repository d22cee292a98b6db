#include "libminillm/lab/keys.h"

#include <fmt/format.h>

#include "libminillm/core/sha256.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kKeyDigits = 16;

}  // namespace

std::string key_of(const Json& what) { return sha256(what.dump()).substr(0, kKeyDigits); }

Json dials_json(const world::WorldDials& dials) {
  Json json = {dials.without, dials.newcomers, dials.false_pairs};
  if (dials.untold > 0) json.push_back(dials.untold);
  if (dials.inverted_pairs) json.push_back("inverted");
  // Of those that came later, only what is turned: the keys of all others stay.
  const world::WorldDials none;
  const auto add = [&](const char* name, const auto& value, const auto& usual) {
    if (value != usual) json.push_back({name, value});
  };
  add("told_rate", dials.told_rate, none.told_rate);
  add("told_falsely", dials.told_falsely, none.told_falsely);
  add("mix", dials.mix, none.mix);
  add("refused", dials.refused.value_or(-1), -1.0);
  add("manner", dials.manner, none.manner);
  add("longer", dials.longer, none.longer);
  add("secrets", dials.secrets, none.secrets);
  return json;
}

std::string sizes_text(const world::WorldOptions& sizes) {
  return fmt::format("{} {} {} {} {}", sizes.stories, sizes.sft_rows, sizes.pairs,
                     sizes.replay_facts, sizes.second_documents);
}

}  // namespace minillm::lab
