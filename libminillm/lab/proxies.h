// Benchmarks are proxies: whether figures that are easily had put checkpoints in the order that
// counts, by right answers to people and wordings that no training had.
//
// The rule, written beforehand, on Kendall's tau-b between each proxy and the goal over the ends of
// all cells that were asked, and its 95 % interval over checkpoints:
//   supported   of two proxies or more the whole interval lies below kWeak;
//   refuted     of all proxies it lies above kStrong;
//   undecided   otherwise.
//
// The checkpoints are those of the laboratory's experiments, many of which break something on
// purpose: where training differs less, so may ranks (Goodhart's law; Gao 2022, arXiv:2210.10760).

#ifndef LIBMINILLM_LAB_PROXIES_H_
#define LIBMINILLM_LAB_PROXIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/lab/laboratory.h"
#include "libminillm/lab/rank_correlation.h"

namespace minillm::lab {

inline constexpr const char* kGoal = "answer_accuracy_new_wording";
inline constexpr double kWeak = 0.5, kStrong = 0.8;

struct Proxy {
  std::string metric;
  std::vector<std::string> checkpoints;      // of those that have both figures, their cells
  std::vector<double> values, goals;         // as checkpoints
  RankCorrelation correlation;               // over all seeds
  std::vector<std::optional<double>> seeds;  // each one's tau
};

struct ProxyTrial {
  std::vector<uint64_t> seeds;
  std::vector<Proxy> proxies;
  Verdict verdict = Verdict::kUndecided;
  std::string version;  // of the library
};

// "preference_accuracy", "preferred_style_rate", ...
const std::vector<std::string>& proxy_metrics();

// Of checkpoints that were asked. Throws Error (kUsage) if there are none.
ProxyTrial try_proxies(const std::vector<AskedCheckpoint>& checkpoints,
                       const std::vector<uint64_t>& seeds);

std::string proxies_markdown(const ProxyTrial& trial);
// metric, seed ("all" or one), tau, low, high, checkpoints: a figure a line.
std::string proxies_csv(const ProxyTrial& trial);
std::string proxies_json(const ProxyTrial& trial);
// The goal over each proxy, a dot a checkpoint; light and dark.
std::string proxies_svg(const ProxyTrial& trial);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_PROXIES_H_
