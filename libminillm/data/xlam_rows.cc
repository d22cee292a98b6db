// xLAM's rows: {"query": "...", "answers": [{"name": ..., "arguments": {...}}], "tools": [...]},
// the lists mostly as texts, and parameters described by the types of Python.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"
#include "libminillm/data/tool_json.h"

namespace minillm {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kTypes = {
    {{"str", "string"},
     {"string", "string"},
     {"int", "integer"},
     {"integer", "integer"},
     {"float", "number"},
     {"number", "number"},
     {"bool", "boolean"},
     {"boolean", "boolean"},
     {"list", "array"},
     {"array", "array"},
     {"tuple", "array"},
     {"dict", "object"},
     {"object", "object"}}};
constexpr int kMaxTypeDepth = 8;

// What `name[...]` has in its brackets.
std::optional<std::string_view> in_brackets(std::string_view type, std::string_view name) {
  if (!type.starts_with(name) || !type.ends_with(']') || type[name.size()] != '[')
    return std::nullopt;
  return type.substr(name.size() + 1, type.size() - name.size() - 2);
}

// The members of a schema that a type of Python, in lower case, is; none if it is no plain one.
std::vector<JsonMember> schema_of(std::string_view type, int depth = 0) {
  type = trim(type);
  if (depth == kMaxTypeDepth) return {};
  if (const auto inner = in_brackets(type, "optional")) return schema_of(*inner, depth + 1);
  const std::string_view name = trim(type.substr(0, type.find('[')));
  const auto found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.first == name; });
  if (found == kTypes.end()) return {};
  std::vector<JsonMember> schema = {{"\"type\"", fmt::format("\"{}\"", found->second)}};
  if (const auto inner = in_brackets(type, "list"))
    if (const auto items = schema_of(*inner, depth + 1); !items.empty())
      schema.emplace_back("\"items\"", object_of(items));
  return schema;
}

// "str, optional": the type, and what is said of it.
std::pair<std::string, std::string> divided_type(const std::string& text) {
  const std::string type = lower_case(text);
  int depth = 0;
  const auto end = std::find_if(type.begin(), type.end(), [&](char c) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    return c == ',' && depth == 0;
  });
  return {std::string(type.begin(), end), std::string(end, type.end())};
}

bool is_schema(const std::vector<JsonMember>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const JsonMember& member) {
    return member.first == "\"type\"" && member.second.starts_with('"');
  });
}

// {"description": ..., "type": "str, optional", "default": ...} as a schema.
std::string parameter_schema(const Row& row, const JsonMember& parameter, bool* required) {
  if (!parameter.second.starts_with('{'))
    throw BadRecord{"declared parameter that is no JSON object",
                    fmt::format("{}: got '{}'", parameter.first, parameter.second.substr(0, 60))};
  *required = true;
  std::vector<JsonMember> schema;
  for (const JsonMember& member : members_of(parameter.second)) {
    if (member.first == "\"default\"") *required = false;
    if (member.first != "\"type\"" || !member.second.starts_with('"')) {
      schema.push_back(member);
      continue;
    }
    const auto [type, more] = divided_type(Json::parse(member.second).get<std::string>());
    if (type.starts_with("optional[") || more.find("optional") != more.npos ||
        more.find("default") != more.npos)
      *required = false;
    const std::vector<JsonMember> known = schema_of(type);
    if (known.empty())
      row.note("the type of a declared parameter has no like in JSON schemas, and is left out");
    schema.insert(schema.end(), known.begin(), known.end());
  }
  return object_of(schema);
}

std::string parameters_schema(const Row& row, const std::string& parameters) {
  if (!parameters.starts_with('{')) return parameters;
  const std::vector<JsonMember> members = members_of(parameters);
  if (is_schema(members)) return parameters;
  std::vector<JsonMember> properties;
  std::string required;
  for (const JsonMember& parameter : members) {
    bool is_required = false;
    properties.emplace_back(parameter.first, parameter_schema(row, parameter, &is_required));
    if (is_required) required += (required.empty() ? "" : ", ") + parameter.first;
  }
  std::vector<JsonMember> schema = {{"\"type\"", "\"object\""},
                                    {"\"properties\"", object_of(properties)}};
  if (!required.empty()) schema.emplace_back("\"required\"", "[" + required + "]");
  return object_of(schema);
}

// The declaration with a JSON schema in {"function": {"parameters": ...}}.
std::string with_schema(const Row& row, const std::string& declaration) {
  std::vector<JsonMember> members = members_of(declaration);
  for (JsonMember& member : members) {
    if (member.first != "\"function\"") continue;
    std::vector<JsonMember> function = members_of(member.second);
    for (JsonMember& part : function)
      if (part.first == "\"parameters\"") part.second = parameters_schema(row, part.second);
    member.second = object_of(function);
  }
  return object_of(members);
}

}  // namespace

bool is_xlam_row(const Row& row) {
  if (!row.has("query") || !row.has("answers") || !row.has("tools")) return false;
  const Json& answers = row.value().at("answers");
  if (answers.is_string()) {
    const std::string_view text = trim(answers.get_ref<const std::string&>());
    return text.starts_with('[') || text.starts_with('{');
  }
  return answers.is_array() && !answers.empty() &&
         std::all_of(answers.begin(), answers.end(),
                     [](const Json& call) { return call.is_object() && call.contains("name"); });
}

std::vector<Message> parse_xlam_row(const Row& row) {
  const Json& answers = *row.use("answers");
  const std::string calls = answers.is_string() ? answers.get<std::string>() : answers.dump();
  if (spelled_value(calls) == "[]") throw BadRecord{"'answers' hold no call", ""};
  Message answer{Role::kAssistant, ""};
  answer.calls = parse_calls_text(calls, row.reading().mapping);
  std::vector<Message> messages =
      with_preamble(row, {{Role::kUser, std::string(trim(row.text("query")))}, answer});
  for (Message& message : messages)
    for (Tool& tool : message.tools) tool.declaration = with_schema(row, tool.declaration);
  return messages;
}

}  // namespace minillm
