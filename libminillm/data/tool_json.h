// The JSON of tools in rows, in pieces that keep their spelling. Internal.

#ifndef LIBMINILLM_DATA_TOOL_JSON_H_
#define LIBMINILLM_DATA_TOOL_JSON_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minillm {

// The value that a text holds, JSON or a literal of Python, as spelled_json writes it; or nothing.
std::optional<std::string> spelled_value(std::string_view text);
// The same of a list, or of values one after another, which become one.
std::optional<std::string> spelled_list(std::string_view text);

// The parts of a list and an object that spelled_json has written; a key is with its quotes.
using JsonMember = std::pair<std::string, std::string>;
std::vector<std::string> elements_of(const std::string& list);
std::vector<JsonMember> members_of(const std::string& object);
std::string object_of(const std::vector<JsonMember>& members);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOOL_JSON_H_
