// Configs: plain structs whose fields are listed once.
//
// A struct's `list_fields(fields, config)` names every field, with its help text. From that one
// list come the TOML reader, settings (`key=value`), the help text, the echo of the resolved
// config, the checkpoint's record of it, and the error for an unknown key, which names the nearest
// known one.

#ifndef LIBMINILLM_CORE_CONFIG_H_
#define LIBMINILLM_CORE_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace minillm {

// One field of a config: its dotted TOML key, where its value lives, and what it means.
struct ConfigField {
  using Pointer =
      std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::vector<std::string>*,
                   std::map<std::string, std::string>*>;  // a map's entries are keys of their own
  std::string key;                                        // "train.learning_rate"
  Pointer value;
  std::string help;  // one line: meaning, unit; the default is printed from the value
};

// The list of a config's fields. Points into the config it was made from, which must outlive it.
class ConfigFields {
 public:
  template <typename T>
  void add(std::string key, T& value, std::string help) {
    fields_.push_back({std::move(key), &value, std::move(help)});
  }
  const std::vector<ConfigField>& all() const { return fields_; }

 private:
  std::vector<ConfigField> fields_;
};

// Reads `path` into the fields. Throws Error (kUsage): `config 'sft.toml':12: unknown key
// 'train.step' (did you mean 'train.steps'?)`, or a wrong type, or broken TOML, each with its line.
void read_config_file(const ConfigFields& fields, const std::string& path);
// Applies one setting, `key=value`. Throws Error (kUsage).
void set_config_value(const ConfigFields& fields, const std::string& assignment);
// The config as TOML with every key: what is echoed, and stored in checkpoints. Reading it back
// gives the same values to the bit.
std::string config_to_toml(const ConfigFields& fields);
// As read_config_file, from text; errors call it `name`.
void read_config_text(const ConfigFields& fields, const std::string& text, const std::string& name);
// A table of the fields, one a line: key, default, meaning.
std::string config_help(const ConfigFields& fields);

// Throws Error (kUsage) `config: <key>: expected <low> to <high>, got <value>` on any other value.
void expect_in_range(const char* key, int64_t value, int64_t low, int64_t high);
// The upper end of numbers of steps and tokens: it keeps products of them within 64 bits, and
// nobody trains that long.
inline constexpr int64_t kMaxConfigCount = 1'000'000'000;

// A default-constructed config as TOML.
template <typename Config>
std::string default_config_toml() {
  Config config;
  ConfigFields fields;
  list_fields(fields, config);
  return config_to_toml(fields);
}

// A key whose value is not the same in two configs, with both values as TOML ("" where the key is
// missing).
struct ConfigDifference {
  std::string key, before, after;
};
// The keys in which two results of config_to_toml differ, sorted. A key that `before` lacks,
// because it was written before there was such a key, has its value in `defaults`, a third such
// result. A key that `after` lacks always differs. Throws Error if one of them is not TOML.
std::vector<ConfigDifference> config_differences(const std::string& before,
                                                 const std::string& after,
                                                 const std::string& defaults);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_CONFIG_H_
