#include "libminillm/core/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/nearest_name.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

std::string advice(const ConfigFields& fields, std::string_view key) {
  std::vector<std::string_view> keys;
  for (const ConfigField& field : fields.all()) keys.push_back(field.key);
  const std::string nearest = nearest_name(key, keys);
  return nearest.empty() ? "config_help lists the keys"
                         : fmt::format("did you mean '{}'?", nearest);
}

using StringMap = std::map<std::string, std::string>;

bool is_map(const ConfigField& field) { return std::holds_alternative<StringMap*>(field.value); }

const ConfigField& find_field(const ConfigFields& fields, const std::string& key,
                              const std::string& where) {
  const auto found =
      std::find_if(fields.all().begin(), fields.all().end(), [&](const ConfigField& field) {
        return field.key == key || (is_map(field) && field.key == section_of(key));
      });
  MINILLM_CHECK_USAGE(found != fields.all().end(), "{}: unknown key '{}' ({})", where, key,
                      advice(fields, key));
  return *found;
}

// How a TOML value becomes the value of a field: one overload for each type a field can have.
// Returns what was expected if the TOML value is something else, or nullptr.
const char* read_value(bool& value, const toml::node& node) {
  if (!node.is_boolean()) return "true or false";
  value = node.as_boolean()->get();
  return nullptr;
}
const char* read_value(int64_t& value, const toml::node& node) {
  if (!node.is_integer()) return "an integer";
  value = node.as_integer()->get();
  return nullptr;
}
const char* read_value(uint64_t& value, const toml::node& node) {
  if (!node.is_integer() || node.as_integer()->get() < 0) return "an integer >= 0";
  value = static_cast<uint64_t>(node.as_integer()->get());
  return nullptr;
}
const char* read_value(double& value, const toml::node& node) {
  if (!node.is_number()) return "a number";  // 1 is as good as 1.0
  const double number = node.is_integer() ? static_cast<double>(node.as_integer()->get())
                                          : node.as_floating_point()->get();
  if (!std::isfinite(number)) return "a finite number";
  value = number;
  return nullptr;
}
const char* read_value(std::string& value, const toml::node& node) {
  if (!node.is_string()) return "a string in quotes";
  value = node.as_string()->get();
  return nullptr;
}
const char* read_value(std::vector<std::string>& value, const toml::node& node) {
  if (!node.is_array()) return "a list of strings";
  std::vector<std::string> items(node.as_array()->size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (read_value(items[i], *node.as_array()->get(i)) != nullptr) return "a list of strings";
  }
  value = std::move(items);
  return nullptr;
}

const char* read_value(StringMap& value, const toml::node& node) {
  StringMap entries;
  if (!node.is_table()) return "a table of strings";
  for (const auto& [name, entry] : *node.as_table())
    if (read_value(entries[std::string(name.str())], entry) != nullptr) return "a table of strings";
  value = std::move(entries);
  return nullptr;
}

// The shortest digits that read back as the same double; toml++ would write 0.1 as
// 0.10000000000000001.
std::string number_text(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".eni") == std::string::npos)
    text += ".0";  // "inf" and "nan" are as TOML has them
  return text;
}

std::string to_text(const toml::node& node) {
  if (node.is_floating_point()) return number_text(node.as_floating_point()->get());
  std::ostringstream out;
  node.visit([&](const auto& n) { out << n; });
  return out.str();
}

// `key` is the field's, or one of a map's entries.
void assign(const ConfigField& field, const std::string& key, const toml::node& node,
            const std::string& where) {
  const char* expected =
      is_map(field) && key != field.key
          ? read_value((*std::get<StringMap*>(field.value))[std::string(name_of(key))], node)
          : std::visit([&](auto* v) { return read_value(*v, node); }, field.value);
  MINILLM_CHECK_USAGE(expected == nullptr, "{}: key '{}' has a wrong value: expected {}, got {}",
                      where, key, expected, to_text(node));
}

// Calls visit(dotted key, node) for every value of a table and of the tables inside it.
void for_each_value(const toml::table& table, const std::string& prefix,
                    const std::function<void(const std::string&, const toml::node&)>& visit) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    if (const toml::table* inner = node.as_table()) {
      for_each_value(*inner, key + ".", visit);
    } else {
      visit(key, node);
    }
  }
}

// A text as TOML. One that begins with a line end would lose it: toml++ writes it so that
// reading drops it.
std::string quoted(const std::string& text) {
  const auto needs_escape = [](char c) { return (0 <= c && c < ' ') || c == 0x7f; };
  if (text.find('\'') == std::string::npos && std::none_of(text.begin(), text.end(), needs_escape))
    return "'" + text + "'";
  std::string quoted = "\"";
  for (const char c : text) {
    if (needs_escape(c))
      quoted += fmt::format("\\u{:04X}", static_cast<int>(c));
    else if (c == '"' || c == '\\')
      quoted += fmt::format("\\{}", c);
    else
      quoted += c;
  }
  return quoted + "\"";
}

// A field's value as TOML.
template <typename T>
std::string toml_text(const T& value, const std::string&) {
  return to_text(toml::value<T>(value));
}
std::string toml_text(const std::string& value, const std::string&) { return quoted(value); }
std::string toml_text(const std::vector<std::string>& value, const std::string&) {
  std::vector<std::string> items;
  for (const std::string& item : value) items.push_back(quoted(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}
std::string toml_text(const StringMap& value, const std::string&) {
  std::vector<std::string> entries;
  for (const auto& [name, text] : value)
    entries.push_back(fmt::format("{} = {}", quoted(name), quoted(text)));
  return fmt::format("{{{}}}", fmt::join(entries, ", "));
}
std::string toml_text(uint64_t value, const std::string& key) {
  MINILLM_CHECK_USAGE(value <= INT64_MAX,
                      "config: key '{}' is too large: expected at most {}, got {}", key, INT64_MAX,
                      value);
  return to_text(toml::value<int64_t>(static_cast<int64_t>(value)));
}
std::string value_text(const ConfigField& field) {
  return std::visit([&](const auto* v) { return toml_text(*v, field.key); }, field.value);
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    throw Error(fmt::format("config '{}':{}: not valid TOML: {}", name, e.source().begin.line,
                            e.description()),
                ExitCode::kUsage);
  }
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Without quotes where it has them.
std::string unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.back() == text.front();
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

// "[a, b]" or "a, b", items quoted or not.
std::vector<std::string> split_list(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = trim(text.substr(1, text.size() - 2));
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    items.push_back(unquote(trim(text.substr(0, comma))));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

}  // namespace

void read_config_file(const ConfigFields& fields, const std::string& path) {
  std::string text;
  try {
    text = read_stream(path, kMaxConfigBytes);
  } catch (const Error& e) {
    throw Error(e.what(), ExitCode::kUsage);  // a wrong path of a config
  }
  read_config_text(fields, text, path);
}

void read_config_text(const ConfigFields& fields, const std::string& text,
                      const std::string& name) {
  const toml::table table = parse_toml(text, name);
  for_each_value(table, "", [&](const std::string& key, const toml::node& node) {
    const std::string where = fmt::format("config '{}':{}", name, node.source().begin.line);
    assign(find_field(fields, key, where), key, node, where);
  });
}

void set_config_value(const ConfigFields& fields, const std::string& assignment) {
  const std::string where = fmt::format("setting '{}'", assignment);
  // toml++ would accept it, and write something else.
  MINILLM_CHECK_USAGE(is_valid_utf8(assignment), "setting '{}': expected valid UTF-8",
                      replace_invalid_utf8(assignment));
  const size_t equals = assignment.find('=');
  MINILLM_CHECK_USAGE(equals != std::string::npos, "{}: no '=': expected key=value", where);
  const std::string_view text = trim(std::string_view(assignment).substr(equals + 1));
  const std::string key(trim(std::string_view(assignment).substr(0, equals)));
  const ConfigField& field = find_field(fields, key, where);

  // A shell eats quotes, so text needs none here; everything else is read as in a file.
  if (auto* string = std::get_if<std::string*>(&field.value)) {
    **string = unquote(text);
  } else if (auto* list = std::get_if<std::vector<std::string>*>(&field.value)) {
    **list = split_list(text);
  } else if (is_map(field) && key != field.key) {
    (*std::get<StringMap*>(field.value))[std::string(name_of(key))] = unquote(text);
  } else {
    try {
      const toml::table table = toml::parse(fmt::format("value = {}", text));
      assign(field, key, *table.get("value"), where);
    } catch (const toml::parse_error&) {
      assign(field, key, toml::value<std::string>(std::string(text)),
             where);  // names what is expected
    }
  }
}

std::string config_to_toml(const ConfigFields& fields) {
  // A section's keys may be apart in the list; TOML wants them together, keys without
  // section first.
  std::vector<std::string_view> sections = {""};
  for (const ConfigField& field : fields.all()) {
    const std::string_view section = section_of(field.key);
    if (std::find(sections.begin(), sections.end(), section) == sections.end())
      sections.push_back(section);
  }
  std::string text;
  for (std::string_view section : sections) {
    if (!section.empty()) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    for (const ConfigField& field : fields.all()) {
      if (section_of(field.key) == section)
        text += fmt::format("{} = {}\n", name_of(field.key), value_text(field));
    }
  }
  return text;
}

std::string config_help(const ConfigFields& fields) {
  size_t key_width = 0, value_width = 0;
  for (const ConfigField& field : fields.all()) {
    key_width = std::max(key_width, field.key.size());
    value_width = std::max(value_width, value_text(field).size());
  }
  std::string text;
  for (const ConfigField& field : fields.all())
    text += fmt::format("  {:<{}}  {:<{}}  {}\n", field.key, key_width, value_text(field),
                        value_width, field.help);
  return text;
}

std::vector<ConfigDifference> config_differences(const std::string& before,
                                                 const std::string& after,
                                                 const std::string& defaults) {
  std::map<std::string, ConfigDifference> values;
  const auto collect = [&](const std::string& text, std::string ConfigDifference::*side) {
    for_each_value(parse_toml(text, "stored config"), "",
                   [&](const std::string& key, const toml::node& node) {
                     values[key].key = key;
                     values[key].*side = to_text(node);
                   });
  };
  collect(defaults, &ConfigDifference::before);
  collect(before, &ConfigDifference::before);
  collect(after, &ConfigDifference::after);
  std::vector<ConfigDifference> differences;
  for (const auto& [key, value] : values) {
    if (value.before != value.after) differences.push_back(value);
  }
  return differences;
}

void expect_in_range(const char* key, int64_t value, int64_t low, int64_t high) {
  MINILLM_CHECK_USAGE(low <= value && value <= high, "config: {}: expected {} to {}, got {}", key,
                      low, high, value);
}

}  // namespace minillm
