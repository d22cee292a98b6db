#include "libminillm/policy/policy_file.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/toml_reader.h"
#include "libminillm/policy/rule_automata.h"
#include "libminillm/policy/text_filter.h"

namespace minillm {
namespace {

constexpr size_t kMaxRules = 1000;

class Reader : private TomlReader {
 public:
  explicit Reader(const std::string& name) : TomlReader("policy '" + name + "'") {}

  std::vector<PolicyRule> read(const std::string& toml) {
    const toml::table table = parse(toml);
    std::vector<PolicyRule> rules;
    for (const auto& [key, node] : table) {
      if (key.str() != "rule")
        fail(node, "unknown key '{}' (rules begin with [[rule]])", key.str());
      const toml::array* const list = node.as_array();
      if (list == nullptr) fail(node, "rule: expected [[rule]]");
      for (const toml::node& one : *list) {
        if (!one.is_table()) fail(one, "rule: expected [[rule]]");
        if (rules.size() == kMaxRules) fail(one, "expected at most {} rules", kMaxRules);
        rules.push_back(rule(*one.as_table()));
        lines_.push_back(one.source().begin.line);
      }
    }
    check(rules);
    return rules;
  }

 private:
  PolicyRule rule(const toml::table& table) {
    static const std::vector<std::string_view> kKeys = {"name",  "where",  "words", "pattern",
                                                        "model", "action", "text"};
    PolicyRule rule;
    within_.clear();
    if (const toml::node* name = table.get("name")) rule.name = text(*name, "name");
    if (rule.name.empty()) fail(table, "rule: expected a name");
    within_ = fmt::format("rule '{}': ", rule.name);
    expect_keys(table, kKeys);
    places(table, rule);
    action(table, rule);
    matches(table, rule);
    within_.clear();
    return rule;
  }

  void places(const toml::table& table, PolicyRule& rule) const {
    const toml::node* const where = table.get("where");
    if (where == nullptr) fail(table, "expected 'where': \"input\", \"notes\" or \"output\"");
    for (const std::string& name : texts(*where, "where")) {
      bool known = false;
      for (const auto place : {PolicyPlace::kInput, PolicyPlace::kNotes, PolicyPlace::kOutput})
        if (name == policy_place_name(place)) rule.places.push_back(place), known = true;
      if (!known)
        fail(*where, "where: expected \"input\", \"notes\" or \"output\", got \"{}\"", name);
    }
    if (rule.places.empty()) fail(*where, "where: expected a place, got none");
  }

  void action(const toml::table& table, PolicyRule& rule) const {
    if (const toml::node* node = table.get("action")) {
      const std::string name = text(*node, "action");
      if (name != "refuse" && name != "replace")
        fail(*node, "action: expected \"refuse\" or \"replace\", got \"{}\"", name);
      if (name == "replace") rule.action = PolicyRule::Action::kReplace;
    }
    const toml::node* const told = table.get("text");
    if (told != nullptr) rule.text = text(*told, "text");
    if (told == nullptr || (rule.text.empty() && rule.action == PolicyRule::Action::kRefuse))
      fail(told == nullptr ? table : *told, "expected a 'text' that is told instead");
  }

  void matches(const toml::table& table, PolicyRule& rule) const {
    const toml::node* const words = table.get("words");
    const toml::node* const pattern = table.get("pattern");
    const toml::node* const model = table.get("model");
    if ((words != nullptr) + (pattern != nullptr) + (model != nullptr) != 1)
      fail(table, "expected one of 'words', 'pattern' and 'model'");
    const toml::node& given = words != nullptr ? *words : pattern != nullptr ? *pattern : *model;
    try {
      if (words != nullptr) rule.automata = automata_of_rule_words(texts(*words, "words"));
      if (pattern != nullptr)
        rule.automata = {automaton_of_rule_pattern(text(*pattern, "pattern"))};
    } catch (const Error& error) {
      const std::string what = error.what();
      if (what.starts_with("policy ")) throw;  // it has its line already
      fail(given, "{}", what);
    }
    rule.whole_words = words != nullptr;
    if (model != nullptr) judgement(*model, rule);
  }

  void judgement(const toml::node& node, PolicyRule& rule) const {
    const toml::table* const model = node.as_table();
    if (model == nullptr)
      fail(node, "model: expected {{ refusal = ..., help = ..., threshold = ... }}");
    bool has_threshold = false;
    for (const auto& [key, value] : *model) {
      if (key.str() == "refusal") {
        rule.refusal = text(value, "model.refusal");
      } else if (key.str() == "help") {
        rule.help = text(value, "model.help");
      } else if (key.str() == "threshold") {
        const auto number = value.value<double>();
        if (!number || !std::isfinite(*number)) fail(value, "model.threshold: expected a number");
        rule.threshold = *number;
        has_threshold = true;
      } else {
        fail(value, "unknown key 'model.{}'", key.str());
      }
    }
    if (rule.refusal.empty() || rule.help.empty() || !has_threshold)
      fail(node, "model: expected refusal, help and threshold");
    if (rule.places != std::vector{PolicyPlace::kInput} ||
        rule.action != PolicyRule::Action::kRefuse)
      fail(node, "model: judges requests: expected where = \"input\" and no action but \"refuse\"");
  }

  // What concerns rules among each other.
  void check(const std::vector<PolicyRule>& rules) const {
    std::set<std::string> names;
    for (size_t i = 0; i < rules.size(); ++i) {
      if (!names.insert(rules[i].name).second)
        fail_at(lines_[i], "rule '{}': there is another of this name", rules[i].name);
      if (rules[i].action != PolicyRule::Action::kReplace) continue;
      for (const PolicyRule& other : rules)
        for (const PolicyPlace place : rules[i].places)
          if (other.applies_to(place) && contains_match(other, rules[i].text))
            fail_at(lines_[i], "rule '{}': text: the rule '{}' matches it", rules[i].name,
                    other.name);
    }
  }

  std::vector<toml::source_index> lines_;  // of the rules
};

}  // namespace

std::vector<PolicyRule> read_policy_rules(const std::string& toml, const std::string& name) {
  return Reader(name).read(toml);
}

}  // namespace minillm
