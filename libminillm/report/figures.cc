// The world's figures by stage, and what each of them says.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

struct KnownFigure {
  const char* name;
  const char* group;
  const char* meaning;
  bool lower_is_better = false;
};

// In the words of data/README.md, which defines each.
constexpr KnownFigure kKnownFigures[] = {
    {"bits_per_byte", "knowledge", "bits that a byte of a new story takes", true},
    {"bits_per_byte_second_domain", "knowledge", "the same, of a domain never read", true},
    {"cloze_accuracy", "knowledge", "facts told when a story is continued"},
    {"cloze_accuracy_hard", "knowledge", "the same, after words that never led to them"},
    {"cloze_accuracy_rare", "knowledge", "facts that were told a quarter as often"},
    {"cloze_accuracy_often", "knowledge", "facts that were told twice as often"},
    {"after_cutoff_known_rate", "knowledge", "facts that no text of the training told"},
    {"second_domain_accuracy", "knowledge", "facts of a domain never read"},
    {"answer_accuracy", "form", "right answers about people of whom no question was shown"},
    {"answer_accuracy_new_wording", "form", "the same, asked in new wordings"},
    {"answer_format", "form", "answers that end by themselves in the asked form"},
    {"system_rule_accuracy", "form", "right answers under a system rule"},
    {"system_rule_obeyed_rate", "form", "answers in the form of the rule, right or wrong"},
    {"one_word_accuracy", "form", "right under the rule of one word"},
    {"tale_accuracy", "form", "right under the rule of how to begin"},
    {"list_accuracy", "form", "lists of three that are right"},
    {"yes_no_accuracy", "form", "right judgements, yes or no"},
    {"sum_accuracy", "form", "right sums"},
    {"known_denied_rate", "form", "says that it does not know what it was told", true},
    {"known_denied_rate_new_wording", "form", "the same, asked in new wordings", true},
    {"known_denied_rate_one_word", "form", "the same, under the rule of one word", true},
    {"known_denied_rate_tale", "form", "the same, under the rule of how to begin", true},
    {"unknown_admitted_rate", "form", "admits that it does not know a stranger"},
    {"unknown_admitted_rate_one_word", "form", "the same, under the rule of one word"},
    {"unknown_admitted_rate_tale", "form", "the same, under the rule of how to begin"},
    {"unknown_admitted_rate_known_family", "form", "the same, of strangers with a known name"},
    {"unknown_admitted_rate_known_family_one_word", "form", "these, under the rule of one word"},
    {"unknown_admitted_rate_known_family_tale", "form", "these, under the rule of how to begin"},
    {"unknown_attribute_admitted_rate", "form", "admits not to know what is told of nobody"},
    {"unknown_attribute_admitted_rate_one_word", "form", "the same, under the rule of one word"},
    {"unknown_attribute_admitted_rate_tale", "form", "the same, under the rule of how to begin"},
    {"unknown_new_attribute_admitted_rate", "form", "the same, of things never asked"},
    {"preference_accuracy", "choice", "pairs whose chosen answer is the likelier one"},
    {"preference_accuracy_style", "choice", "the same, polite over rambling or rude"},
    {"preference_accuracy_harmful", "choice", "the same, refusing over helping with harm"},
    {"preference_accuracy_benign", "choice", "the same, helping over refusing the harmless"},
    {"preference_accuracy_knowing", "choice", "the same, saying what is known"},
    {"preferred_style_rate", "choice", "answers in the preferred style"},
    {"harmful_refusal_rate", "choice", "harmful requests that are refused"},
    {"harmful_refusal_rate_new_verbs", "choice", "the same, of deeds never named"},
    {"harmful_whole_refusal_rate", "choice", "refused in a whole sentence, not in its first words"},
    {"harmful_whole_refusal_rate_new_verbs", "choice", "the same, of deeds never named"},
    {"benign_refusal_rate", "choice", "harmless requests that are refused", true},
    {"benign_refusal_rate_new_verbs", "choice", "the same, of deeds never named", true},
    {"benign_helped_rate", "choice", "harmless requests helped with in a whole sentence"},
    {"benign_helped_rate_new_verbs", "choice", "the same, of deeds never named"},
    {"benign_answered_rate", "choice", "harmless requests that are answered"},
    {"canary_exposure", "memory", "bits of a secret told 300 times (8.6: by heart)", true},
    {"canary_exposure_100", "memory", "the same, told 100 times", true},
    {"canary_exposure_30", "memory", "the same, told 30 times", true},
    {"canary_exposure_untold", "memory", "the same, never told: what chance gives", true},
};

ReportFigure make_figure(const std::string& name) {
  for (const KnownFigure& known : kKnownFigures)
    if (name == known.name) return {name, known.group, known.meaning, known.lower_is_better, {}};
  return {name, "other", "", false, {}};
}

// Of what was not asked ("of" is 0) earlier versions wrote null.
ReportFigure::Value read_value(const JsonObject& figure) {
  const double of = figure.number("of"), count = figure.number("count");
  MINILLM_CHECK(of >= 0 && count >= 0, "{}: expected a count from 0, got {} of {}",
                figure.subject(), count, of);
  return {of > 0 ? figure.number("value") : 0, count, of};
}

// In the order of the list above, where a meaning may refer to the one before; then the others.
std::vector<std::string> names_to_show(const nlohmann::ordered_json& stages) {
  std::vector<std::string> others;
  std::set<std::string> seen;
  for (const auto& [stage, figures] : stages.items())
    for (const auto& [name, value] : figures.items())
      if (seen.insert(name).second && make_figure(name).group == "other" &&
          !name.starts_with("cloze/"))
        others.push_back(name);
  std::vector<std::string> names;
  for (const KnownFigure& known : kKnownFigures)
    if (seen.contains(known.name)) names.push_back(known.name);
  std::ranges::move(others, std::back_inserter(names));
  return names;
}

// {"column": {"figure": {"value", "count", "of"}, ...}, ...}
ReportFigures figures_of(const nlohmann::ordered_json& in_order, const std::string& subject) {
  const nlohmann::json parsed = in_order;
  const JsonObject columns(parsed, subject);
  MINILLM_CHECK(!parsed.empty(), "{}: expected the figures of at least one stage", subject);
  ReportFigures figures;
  for (const auto& [name, unused] : in_order.items()) {
    figures.columns.push_back(name);
    columns.member(name.c_str());  // is an object
  }
  for (const std::string& name : names_to_show(in_order)) {
    ReportFigure figure = make_figure(name);
    for (const std::string& title : figures.columns) {
      const JsonObject column = columns.member(title.c_str());
      figure.values.push_back(column.find(name.c_str()) == nullptr
                                  ? ReportFigure::Value{}
                                  : read_value(column.member(name.c_str())));
    }
    figures.rows.push_back(figure);
  }
  return figures;
}

constexpr int kMaxDepth = 8;

}  // namespace

ReportFigures read_figures(const std::string& path) {
  constexpr uint64_t kMaxBytes = 1 << 20;
  const std::string subject = fmt::format("summary '{}'", path);
  const auto parsed = parse_ordered_json(read_file(path, kMaxBytes), subject, kMaxDepth);
  return figures_of(parsed, subject);
}

ReportLayers read_layers(const std::string& path) {
  constexpr uint64_t kMaxBytes = 16 << 20;  // every answer that a layer changed is there
  const std::string subject = fmt::format("layers '{}'", path);
  const auto parsed = parse_ordered_json(read_file(path, kMaxBytes), subject, kMaxDepth);
  const auto found = parsed.is_object() ? parsed.find("layers") : parsed.end();
  MINILLM_CHECK(
      found != parsed.end() && found->is_object() && !found->empty(),
      "{}: expected \"layers\", with at least one: expected a world evaluation with layers, "
      "as JSON",
      subject);
  ReportLayers layers;
  nlohmann::ordered_json metrics;
  for (const auto& [name, layer] : found->items()) {
    const nlohmann::json plain = layer;
    const JsonObject object(plain, fmt::format("{}: {}", subject, name));
    object.member("metrics");
    metrics[name] = layer["metrics"];
    const auto changed = plain.find("changed");
    MINILLM_CHECK(changed != plain.end() && changed->is_array(),
                  "{}: expected an array of 'changed' answers", object.subject());
    for (const nlohmann::json& one : *changed) {
      const JsonObject change(one, object.subject() + ": changed");
      layers.changes.push_back({name, change.string("question"), change.string("alone"),
                                change.string("with_layer"), change.boolean("repaired")});
    }
  }
  layers.figures = figures_of(metrics, subject);
  return layers;
}

}  // namespace minillm::report
