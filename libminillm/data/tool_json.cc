#include "libminillm/data/tool_json.h"

#include "libminillm/core/check.h"
#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/element_splitter.h"
#include "libminillm/data/json_records.h"
#include "libminillm/data/python_literal.h"

namespace minillm {
namespace {

constexpr size_t kMaxDepth = 32;

std::string_view take_value(std::string_view& text) {
  const size_t length = first_value_length(text);
  const std::string_view value = trim(text.substr(0, length));
  text.remove_prefix(length);
  return value;
}

// Values one after another as a list; what is none stays, so that it is no JSON.
std::string as_list(std::string_view text) {
  text = trim(text);
  if (text.starts_with('[')) return std::string(text);
  std::string list = "[";
  const char* separator = "";
  while (!is_blank(text)) {
    std::string_view value = take_value(text);
    if (value.empty()) std::swap(value, text);
    (list += separator) += value;
    separator = ", ";
  }
  return list + "]";
}

// What `form` makes of the text as it is, or else of the Python that it may be.
template <typename Form>
std::optional<std::string> first_json(std::string_view text, const Form& form) {
  const auto spelled = [&](std::string_view candidate) -> std::optional<std::string> {
    try {
      return spelled_json(form(candidate), kMaxDepth);
    } catch (const JsonFault&) {
      return std::nullopt;
    }
  };
  if (auto json = spelled(text)) return json;
  for (const SingleQuote ends : {SingleQuote::kBeforePunctuation, SingleQuote::kAfterBrace})
    if (auto json = spelled(json_of_python(text, ends))) return json;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> spelled_value(std::string_view text) {
  return first_json(text, [](std::string_view candidate) { return candidate; });
}

std::optional<std::string> spelled_list(std::string_view text) { return first_json(text, as_list); }

std::vector<std::string> elements_of(const std::string& list) {
  std::vector<std::string> elements;
  for (std::string_view rest = std::string_view(list).substr(1); !rest.empty();) {
    const std::string_view element = take_value(rest);
    if (element.empty()) break;
    elements.emplace_back(element);
    if (!rest.starts_with(',')) break;
    rest.remove_prefix(1);
  }
  return elements;
}

std::vector<JsonMember> members_of(const std::string& object) {
  std::vector<JsonMember> members;
  for (std::string_view rest = std::string_view(object).substr(1); !rest.empty();) {
    const std::string_view key = take_value(rest);
    if (key.empty() || !rest.starts_with(':')) break;
    rest.remove_prefix(1);
    members.emplace_back(key, take_value(rest));
    if (!rest.starts_with(',')) break;
    rest.remove_prefix(1);
  }
  return members;
}

std::string object_of(const std::vector<JsonMember>& members) {
  std::string object;
  for (const JsonMember& member : members)
    object += fmt::format("{}{}: {}", object.empty() ? "{" : ", ", member.first, member.second);
  return object.empty() ? "{}" : object + "}";
}

}  // namespace minillm
