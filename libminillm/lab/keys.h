// Keys: what names a directory after all that its content depends on. Internal.

#ifndef LIBMINILLM_LAB_KEYS_H_
#define LIBMINILLM_LAB_KEYS_H_

#include <nlohmann/json.hpp>
#include <string>

#include "libminillm/world/world_files.h"

namespace minillm::lab {

// The first hexadecimal digits of the SHA-256 of its text.
std::string key_of(const nlohmann::ordered_json& what);

// Parts of keys.
nlohmann::ordered_json dials_json(const world::WorldDials& dials);
std::string sizes_text(const world::WorldOptions& sizes);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_KEYS_H_
