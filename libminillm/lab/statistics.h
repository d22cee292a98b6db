// What a difference between two cells is worth, and the verdict on a claim by a rule written
// beforehand.

#ifndef LIBMINILLM_LAB_STATISTICS_H_
#define LIBMINILLM_LAB_STATISTICS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libminillm/eval/statistics.h"
#include "libminillm/world/scoring.h"

namespace minillm::lab {

using Outcomes = std::vector<world::WorldOutcome>;

// A question of several runs is a hit where all of them come to the same. Throws Error where their
// questions are not the same.
Outcomes agreement(std::span<const Outcomes> runs);

// The mean over seeds of rate(a) - rate(b), each under a metric.
struct Difference {
  double mean = 0;
  Interval interval = {0, 0};  // 95 %
  std::vector<double> seeds;   // each one's
  int64_t questions = 0;       // of all seeds; 0: nothing was asked
};

inline constexpr int kBootstrapDraws = 2000;

// Of a[s] under `metric` and b[s] under `against_metric` (empty: the same one), seed by seed. The
// interval is of a bootstrap over people and wordings (two-way: Owen 2007, "The pigeonhole
// bootstrap"), since a person has several facts and a wording is often understood or not as a
// whole: each draw weighs a question by how often its person and its wording were drawn, of a and
// of b alike, with seeds as strata. Where both are asked the same, it is thereby paired.
// Pure: the same draws for the same outcomes. Throws Error where questions under one metric are not
// the same in a and b.
Difference paired_difference(std::span<const Outcomes> a, std::span<const Outcomes> b,
                             std::string_view metric, std::string_view against_metric = {},
                             int draws = kBootstrapDraws);

enum class Verdict { kSupported, kRefuted, kUndecided };
const char* verdict_name(Verdict verdict);  // "supported", ...

// What a claim says of the difference: it is above the margin, below minus the margin, or within.
enum class Expectation { kMore, kLess, kSame };

// Supported: the interval lies where it is expected, and so do the signs of all seeds. Refuted: it
// lies within the margin, or beyond it on the other side (kSame: beyond it on either side). Else,
// and where nothing was asked, undecided.
Verdict judge(Expectation expected, double margin, const Difference& difference);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_STATISTICS_H_
