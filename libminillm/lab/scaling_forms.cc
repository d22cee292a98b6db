// The trial of scale as tables: Markdown to read, CSV and JSON to compute with.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "libminillm/lab/forms.h"
#include "libminillm/lab/scaling.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

struct Column {
  const char* title;
  const char* metric;
};
// Of the table of runs; the same values by exact match and by log-probability.
constexpr Column kColumns[] = {{"bits per byte", "bits_per_byte"},
                               {"often", "cloze_accuracy_often"},
                               {"usual", "cloze_accuracy"},
                               {"rare", "cloze_accuracy_rare"},
                               {"hard", "cloze_accuracy_hard"},
                               {"log p often", "value_logp_often"},
                               {"log p usual", "value_logp"},
                               {"log p rare", "value_logp_rare"},
                               {"log p hard", "value_logp_hard"},
                               {"sums", "sum_accuracy"},
                               {"yes/no", "yes_no_accuracy"},
                               {"harm refused", "harmful_refusal_rate"},
                               {"new verbs", "harmful_refusal_rate_new_verbs"}};

constexpr const char* kWarning =
    "The corpus is a closed world of some 30 bits a person: its loss has a floor, and the sizes at "
    "which loss is lowest, and any exponent of them, say nothing about language.";

std::optional<double> value_at(const ScalingPoint& point, const char* metric) {
  const auto found = point.metrics.find(metric);
  return found == point.metrics.end() ? std::nullopt : value_of(found->second);
}

std::string millions(double count) { return fmt::format("{:.2f}M", count * 1e-6); }

std::string table_head(const std::string& titles) {
  const auto columns = std::count(titles.begin(), titles.end(), '|') - 1;
  std::string out = titles + "\n|";
  for (std::ptrdiff_t i = 0; i < columns; ++i) out += "---|";
  return out + "\n";
}

std::string runs_table(const ScalingResult& result) {
  std::string titles = "| seed | size | parameters | TFLOP | tokens |";
  for (const Column& column : kColumns) titles += fmt::format(" {} |", column.title);
  std::string out = table_head(titles);
  for (const ScalingRun& run : result.runs) {
    out += fmt::format("| {} | {} | {} | {:.3g} | {} |", run.seed, run.size, run.cost.parameters,
                       run.flop() * 1e-12, millions(static_cast<double>(run.end().tokens)));
    for (const Column& column : kColumns)
      out += fmt::format(" {} |", number_text(value_at(run.end(), column.metric)));
    out += "\n";
  }
  return out;
}

std::string fits_table(const ScalingResult& result) {
  std::string out =
      table_head("| budget, TFLOP | lowest at, parameters | 95 % interval | bits per byte there |");
  for (size_t i = 0; i < result.fits.size(); ++i) {
    const IsoFlopFit& fit = result.fits[i];
    const double budget = result.plan.budgets[i].flop * 1e-12;
    if (!fit.minimum) {
      out += fmt::format("| {:.3g} | none: {} | - | - |\n", budget, fit.why_none);
      continue;
    }
    const std::string interval = fit.interval ? fmt::format("{} to {}", millions(fit.interval->low),
                                                            millions(fit.interval->high))
                                              : fmt::format("- ({})", fit.why_none);
    out += fmt::format("| {:.3g} | {} | {} | {} |\n", budget, millions(fit.minimum->parameters),
                       interval, number_text(fit.minimum->loss));
  }
  return out;
}

std::string emergence_table(const ScalingResult& result) {
  std::string titles = "| seed | size |";
  for (const std::string& skill : scaling_skills()) titles += fmt::format(" {} |", skill);
  std::string out = table_head(titles + " order |");
  for (const Emergence& emergence : result.emergence) {
    out += fmt::format("| {} | {} |", emergence.seed, emergence.size);
    for (const std::optional<double>& tokens : emergence.tokens)
      out += fmt::format(" {} |", tokens ? millions(*tokens) : "-");
    out += fmt::format(" {} |\n", skill_order_name(emergence.order));
  }
  return out;
}

std::string rates_table(const ScalingResult& result) {
  std::string out = table_head("| size | rate: bits per byte | taken |");
  for (const ScalingRate& rate : result.rates) {
    std::string tried;
    for (size_t i = 0; i < rate.tried.size(); ++i)
      tried +=
          fmt::format("{}{}: {}", i == 0 ? "" : ", ", rate.tried[i], number_text(rate.losses[i]));
    out += fmt::format("| {} | {} | {} |\n", rate.size, tried, rate.rate);
  }
  return out;
}

Json number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json fit_json(const ScalingBudget& budget, const IsoFlopFit& fit) {
  Json json = {{"budget", budget.flop},
               {"parabola", nullptr},
               {"minimum", nullptr},
               {"interval", nullptr},
               {"why_none", fit.why_none}};
  if (fit.parabola)
    json["parabola"] = {{"center", fit.parabola->center},
                        {"height", fit.parabola->height},
                        {"slope", fit.parabola->slope},
                        {"curvature", fit.parabola->curvature}};
  if (fit.minimum)
    json["minimum"] = {{"parameters", fit.minimum->parameters}, {"loss", fit.minimum->loss}};
  if (fit.interval) json["interval"] = {fit.interval->low, fit.interval->high};
  return json;
}

Json run_json(const ScalingRun& run) {
  Json points = Json::array();
  for (const ScalingPoint& point : run.points) {
    Json metrics = Json::object();
    for (const auto& [name, figure] : point.metrics) metrics[name] = number(value_of(figure));
    points.push_back({{"tokens", point.tokens}, {"metrics", metrics}});
  }
  return {{"seed", run.seed},        {"size", run.size},   {"parameters", run.cost.parameters},
          {"budget", run.budget},    {"flop", run.flop()}, {"learning_rate", run.rate},
          {"steps", run.cost.steps}, {"points", points}};
}

}  // namespace

std::string scaling_markdown(const ScalingResult& result) {
  std::string out =
      "# Scaling\n\n**Claim:** Scale shifts which skills emerge first; it injects no "
      "judgement.\n\n";
  out +=
      fmt::format("**Verdict:** {}\n\n**Warning:** {}\n\n", verdict_name(result.verdict), kWarning);
  out +=
      "## Runs\n\nAt their ends: values told exactly, and the mean log-probability of the same "
      "values, by how often people are told of and in which wording.\n\n";
  out += runs_table(result);
  out +=
      "\n## The best size of a budget\n\nA parabola of bits per byte over the logarithm of the "
      "parameters, over all seeds.\n\n";
  out += fits_table(result);
  out +=
      "\n## Which skill emerges first\n\nTokens of a size's longest run at which a skill is half "
      "of what it becomes; \"-\": it was not learned. Between points, the learning rate has not "
      "yet fallen.\n\n";
  out += emergence_table(result);
  out +=
      "\n## Learning rates\n\nBits per byte of held-out stories, validation split, first seed, "
      "under the first budget.\n\n";
  return out + rates_table(result);
}

std::string scaling_csv(const ScalingResult& result) {
  std::string out = "seed,size,parameters,budget,flop,learning_rate,tokens,metric,value,count,of\n";
  for (const ScalingRun& run : result.runs)
    for (const ScalingPoint& point : run.points)
      for (const auto& [name, figure] : point.metrics) {
        const std::optional<double> value = value_of(figure);
        out += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", run.seed, run.size,
                           run.cost.parameters, run.budget,
                           run.cost.flop_per_token * static_cast<double>(point.tokens), run.rate,
                           point.tokens, name, value ? fmt::format("{}", *value) : std::string(),
                           figure.count, figure.of);
      }
  return out;
}

std::string scaling_json(const ScalingResult& result) {
  Json fits = Json::array(), runs = Json::array(), order = Json::array(), rates = Json::array();
  for (size_t i = 0; i < result.fits.size(); ++i)
    fits.push_back(fit_json(result.plan.budgets[i], result.fits[i]));
  for (const ScalingRun& run : result.runs) runs.push_back(run_json(run));
  for (const Emergence& emergence : result.emergence) {
    Json tokens = Json::object();
    for (size_t i = 0; i < emergence.tokens.size(); ++i)
      tokens[scaling_skills()[i]] = number(emergence.tokens[i]);
    order.push_back({{"seed", emergence.seed},
                     {"size", emergence.size},
                     {"tokens", tokens},
                     {"order", skill_order_name(emergence.order)}});
  }
  for (const ScalingRate& rate : result.rates)
    rates.push_back({{"size", rate.size},
                     {"tried", rate.tried},
                     {"losses", rate.losses},
                     {"taken", rate.rate}});
  const Json json = {{"experiment", "scaling"},
                     {"verdict", verdict_name(result.verdict)},
                     {"warning", kWarning},
                     {"seeds", result.seeds},
                     {"fits", fits},
                     {"emergence", order},
                     {"learning_rates", rates},
                     {"runs", runs},
                     {"version", result.version}};
  return json.dump(2) + '\n';
}

}  // namespace minillm::lab
