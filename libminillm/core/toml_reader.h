// TomlReader: what the readers of TOML files share whose tables are no config (core/config.h):
// errors that tell file and line, texts and lists of them, keys that nobody knows. Internal: public
// headers know no TOML library.

#ifndef LIBMINILLM_CORE_TOML_READER_H_
#define LIBMINILLM_CORE_TOML_READER_H_

#include <toml++/toml.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/nearest_name.h"

namespace minillm {

class TomlReader {
 public:
  // Errors are (kUsage) `<file>:LINE: <within_>...`, where `file` is "policy 'rules.toml'".
  explicit TomlReader(std::string file) : file_(std::move(file)) {}

 protected:
  template <typename... Args>
  [[noreturn]] void fail_at(toml::source_index line, fmt::format_string<Args...> format,
                            Args&&... args) const {
    throw Error(fmt::format("{}:{}: {}{}", file_, line, within_,
                            fmt::format(format, std::forward<Args>(args)...)),
                ExitCode::kUsage);
  }
  template <typename... Args>
  [[noreturn]] void fail(const toml::node& node, fmt::format_string<Args...> format,
                         Args&&... args) const {
    fail_at(node.source().begin.line, format, std::forward<Args>(args)...);
  }

  toml::table parse(const std::string& toml) const {
    try {
      return toml::parse(toml);
    } catch (const toml::parse_error& e) {
      fail_at(e.source().begin.line, "not valid TOML: {}", e.description());
    }
  }

  void expect_keys(const toml::table& table, const std::vector<std::string_view>& known) const {
    for (const auto& [key, node] : table) {
      if (std::ranges::find(known, key.str()) != known.end()) continue;
      const std::string near = nearest_name(key.str(), known);
      fail(node, "unknown key '{}'{}", key.str(),
           near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near));
    }
  }

  std::string text(const toml::node& node, std::string_view key) const {
    const auto* const value = node.as_string();
    if (value == nullptr) fail(node, "{}: expected a text", key);
    return value->get();
  }
  // A text, or an array of them.
  std::vector<std::string> texts(const toml::node& node, std::string_view key) const {
    if (!node.is_array()) return {text(node, key)};
    std::vector<std::string> list;
    for (const toml::node& one : *node.as_array()) list.push_back(text(one, key));
    return list;
  }

  std::string within_;  // "rule 'name': ", while that is read

 private:
  std::string file_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_TOML_READER_H_
