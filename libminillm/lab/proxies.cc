#include "libminillm/lab/proxies.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/version.h"
#include "libminillm/lab/forms.h"

namespace minillm::lab {
namespace {

std::optional<double> figure_of(const AskedCheckpoint& checkpoint, const std::string& metric) {
  const auto found = checkpoint.metrics.find(metric);
  return found == checkpoint.metrics.end() ? std::nullopt : value_of(found->second);
}

// Of one seed, or of all.
void add_checkpoints(Proxy& proxy, const std::vector<AskedCheckpoint>& checkpoints,
                     std::optional<uint64_t> seed) {
  for (const AskedCheckpoint& checkpoint : checkpoints) {
    if (seed && checkpoint.seed != *seed) continue;
    const std::optional<double> value = figure_of(checkpoint, proxy.metric);
    const std::optional<double> goal = figure_of(checkpoint, kGoal);
    if (!value || !goal) continue;
    proxy.checkpoints.push_back(fmt::format("{}, seed {}", checkpoint.cell, checkpoint.seed));
    proxy.values.push_back(*value);
    proxy.goals.push_back(*goal);
  }
}

Verdict verdict_of(const std::vector<Proxy>& proxies) {
  const auto weak = std::ranges::count_if(proxies, [](const Proxy& proxy) {
    return proxy.correlation.interval && proxy.correlation.interval->high < kWeak;
  });
  if (weak >= 2) return Verdict::kSupported;
  const bool all_strong = std::ranges::all_of(proxies, [](const Proxy& proxy) {
    return proxy.correlation.interval && proxy.correlation.interval->low > kStrong;
  });
  return all_strong ? Verdict::kRefuted : Verdict::kUndecided;
}

}  // namespace

const std::vector<std::string>& proxy_metrics() {
  static const std::vector<std::string> metrics = {"preference_accuracy", "preferred_style_rate",
                                                   "answer_format", "cloze_accuracy",
                                                   "canary_exposure"};
  return metrics;
}

ProxyTrial try_proxies(const std::vector<AskedCheckpoint>& checkpoints,
                       const std::vector<uint64_t>& seeds) {
  MINILLM_CHECK_USAGE(!checkpoints.empty(),
                      "lab: expected checkpoints that were asked, found none: run some experiments "
                      "first, with the same directory, seeds and build");
  ProxyTrial trial;
  trial.seeds = seeds;
  trial.version = kVersion;
  for (const std::string& metric : proxy_metrics()) {
    Proxy proxy;
    proxy.metric = metric;
    add_checkpoints(proxy, checkpoints, std::nullopt);
    proxy.correlation = rank_correlation(proxy.values, proxy.goals);
    for (const uint64_t seed : seeds) {
      Proxy of_seed;
      of_seed.metric = metric;
      add_checkpoints(of_seed, checkpoints, seed);
      proxy.seeds.push_back(kendall_tau(of_seed.values, of_seed.goals));
    }
    trial.proxies.push_back(std::move(proxy));
  }
  trial.verdict = verdict_of(trial.proxies);
  return trial;
}

}  // namespace minillm::lab
