// What minillm-inspect counts in a data set, and the statistics made from it.

#ifndef TOOLS_DATASET_SUMMARY_H_
#define TOOLS_DATASET_SUMMARY_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"

namespace minillm {

// A stretch of a record's text, whether it is learned, and its length in tokens or bytes.
struct Span {
  std::string text;
  bool supervised = false;
  int64_t length = 0;
};

// What is counted while the records are read.
struct Summary {
  std::string kind;
  DatasetReport report;
  std::vector<int64_t> lengths;           // of whole records
  std::vector<int64_t> supervised;        // the learned part of them
  std::vector<int64_t> chosen, rejected;  // of pairs, and of answers judged by themselves
  int64_t pairs = 0;
  double longer_chosen = 0;  // pairs whose chosen answer is the longer one; ties count half
  int64_t duplicates = 0;
  int64_t max_positions = 0, too_long = 0;  // what training leaves out, where a model is known
  int64_t with_markers = 0;
  std::vector<std::vector<Span>> samples;
};

// Minimum, median, 90th and 99th percentile, maximum, mean.
struct Lengths {
  int64_t min = 0, median = 0, p90 = 0, p99 = 0, max = 0;
  double mean = 0;
};
inline Lengths measure(std::vector<int64_t> lengths) {
  if (lengths.empty()) return {};
  std::sort(lengths.begin(), lengths.end());
  const auto at = [&](double share) {
    return lengths[static_cast<size_t>(share * static_cast<double>(lengths.size() - 1))];
  };
  const auto total =
      static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}));
  return {lengths.front(), at(0.5),        at(0.9),
          at(0.99),        lengths.back(), total / static_cast<double>(lengths.size())};
}

// The share of pairs whose chosen answer is longer; ties count half, so 0.5 means no bias.
inline double longer_chosen_share(const Summary& summary) {
  return summary.pairs == 0 ? 0 : summary.longer_chosen / static_cast<double>(summary.pairs);
}

inline int64_t identical_pairs(const Summary& summary) {
  const auto found = summary.report.dropped.find(kIdenticalAnswers);
  return found == summary.report.dropped.end() ? 0 : found->second;
}

inline double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace minillm

#endif  // TOOLS_DATASET_SUMMARY_H_
