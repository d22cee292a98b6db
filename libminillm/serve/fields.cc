#include "libminillm/serve/fields.h"

#include <fmt/format.h>

#include "libminillm/core/strict_json.h"
#include "libminillm/serve/api_error.h"

namespace minillm {
namespace {

using Json = nlohmann::json;

constexpr size_t kShown = 60;  // bytes of a value in an error

std::string shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown - 3) + "...";
}

}  // namespace

Json parse_body(std::string_view body) {
  Json json;
  try {
    json = parse_json(body, "body");
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
  if (!json.is_object()) fail_field("body", "an object", json);
  return json;
}

void fail_field(const std::string& path, const std::string& expected, const Json& value) {
  throw ApiError(400, fmt::format("{}: expected {}, got {}", path, expected, shown(value)),
                 path == "body" ? "" : path);
}

std::vector<Token> parse_token_ids(const Json& list, const std::string& path) {
  std::vector<Token> tokens;
  for (const Json& id : list) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > INT32_MAX)
      fail_field(path, "token ids", id);
    tokens.push_back(id.get<Token>());
  }
  return tokens;
}

Fields::Fields(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {
  if (!object.is_object()) fail_field(path_.empty() ? "body" : path_, "an object", object);
}

const Json* Fields::find(const std::string& name) const {
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::string Fields::path_of(const std::string& name) const {
  return path_.empty() ? name : path_ + "." + name;
}

void Fields::fail(const std::string& name, const std::string& expected) const {
  const Json* const value = find(name);
  fail_field(path_of(name), expected, value == nullptr ? Json() : *value);
}

std::optional<double> Fields::number(const std::string& name, double low, double high) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high))
    fail(name, fmt::format("a number from {} to {}", low, high));
  return value->get<double>();
}

std::optional<int64_t> Fields::integer(const std::string& name, int64_t low, int64_t high) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_unsigned()
                        ? value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                        : value->is_number_integer();
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high)
    fail(name, high == INT64_MAX ? fmt::format("an integer of {} or more", low)
                                 : fmt::format("an integer from {} to {}", low, high));
  return value->get<int64_t>();
}

std::optional<bool> Fields::boolean(const std::string& name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail(name, "true or false");
  return value->get<bool>();
}

std::optional<std::string> Fields::string(const std::string& name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(name, "a string");
  return value->get<std::string>();
}

std::optional<Fields> Fields::object(const std::string& name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  return Fields(*value, path_of(name));
}

void Fields::refuse_unless(const std::string& name, const Json& only) const {
  const Json* const value = find(name);
  if (value != nullptr && *value != only)
    fail(name, fmt::format("{} (anything else is not supported)", shown(only)));
}

}  // namespace minillm
