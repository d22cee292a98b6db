// What proxies are worth as tables: Markdown to read, CSV and JSON to compute with.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "libminillm/lab/forms.h"
#include "libminillm/lab/proxies.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;

Json number(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string interval_text(const std::optional<Interval>& interval) {
  return interval ? fmt::format("{} to {}", signed_text(interval->low), signed_text(interval->high))
                  : "-";
}

std::string csv_number(std::optional<double> value) {
  return value ? fmt::format("{}", *value) : std::string();
}

}  // namespace

std::string proxies_markdown(const ProxyTrial& trial) {
  std::string out = "# Proxies\n\n**Claim:** Benchmarks are proxies.\n\n";
  out += fmt::format("**Verdict:** {}\n\n", verdict_name(trial.verdict));
  out += fmt::format(
      "Kendall's tau-b between a proxy and {}, over the ends of all cells that were asked; "
      "expected: "
      "the whole interval below {} for two proxies or more. The cells are those of experiments, "
      "many "
      "of which break something on purpose.\n\n",
      kGoal, kWeak);
  out += "| proxy | checkpoints | tau | 95 % interval |";
  for (const uint64_t seed : trial.seeds) out += fmt::format(" seed {} |", seed);
  out += "\n|---|---:|---:|---:|";
  for (size_t s = 0; s < trial.seeds.size(); ++s) out += "---:|";
  out += "\n";
  for (const Proxy& proxy : trial.proxies) {
    out +=
        fmt::format("| {} | {} | {} | {} |", proxy.metric, proxy.values.size(),
                    signed_text(proxy.correlation.tau), interval_text(proxy.correlation.interval));
    for (const std::optional<double>& tau : proxy.seeds)
      out += fmt::format(" {} |", signed_text(tau));
    out += "\n";
  }
  return out + "\n\"-\": all checkpoints are alike, or none was asked.\n";
}

std::string proxies_csv(const ProxyTrial& trial) {
  std::string out = "metric,seed,tau,low,high,checkpoints\n";
  for (const Proxy& proxy : trial.proxies) {
    std::optional<double> low, high;
    if (proxy.correlation.interval) {
      low = proxy.correlation.interval->low;
      high = proxy.correlation.interval->high;
    }
    out += fmt::format("{},all,{},{},{},{}\n", proxy.metric, csv_number(proxy.correlation.tau),
                       csv_number(low), csv_number(high), proxy.values.size());
    for (size_t s = 0; s < trial.seeds.size(); ++s)
      out += fmt::format("{},{},{},,,\n", proxy.metric, trial.seeds[s], csv_number(proxy.seeds[s]));
  }
  return out;
}

std::string proxies_json(const ProxyTrial& trial) {
  Json proxies = Json::array();
  for (const Proxy& proxy : trial.proxies) {
    Json seeds = Json::array(), checkpoints = Json::array(), interval = nullptr;
    for (const std::optional<double>& tau : proxy.seeds) seeds.push_back(number(tau));
    for (size_t i = 0; i < proxy.values.size(); ++i)
      checkpoints.push_back(
          {{"cell", proxy.checkpoints[i]}, {"value", proxy.values[i]}, {"goal", proxy.goals[i]}});
    if (proxy.correlation.interval)
      interval = {proxy.correlation.interval->low, proxy.correlation.interval->high};
    proxies.push_back({{"metric", proxy.metric},
                       {"tau", number(proxy.correlation.tau)},
                       {"interval", interval},
                       {"seeds", seeds},
                       {"checkpoints", checkpoints}});
  }
  const Json json = {{"experiment", "proxies"}, {"verdict", verdict_name(trial.verdict)},
                     {"goal", kGoal},           {"weak", kWeak},
                     {"strong", kStrong},       {"seeds", trial.seeds},
                     {"proxies", proxies},      {"version", trial.version}};
  return visible(json.dump(2, ' ', false, Json::error_handler_t::replace)) + '\n';
}

}  // namespace minillm::lab
