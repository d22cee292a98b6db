// What an experiment came to, and the forms it is told in.

#ifndef LIBMINILLM_LAB_RESULT_H_
#define LIBMINILLM_LAB_RESULT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libminillm/lab/experiment.h"

namespace minillm::lab {

// A figure of one seed: value = count / of, except for exposures and bits per byte. `of` 0: it was
// not asked, and is never shown as 0. Of "log/NAME" it is the mean of NAME over the last `of`
// lines that have it in the training log of the cell's last step.
struct SeedFigure {
  double value = 0;
  int64_t count = 0, of = 0;
};

struct CellResult {
  std::string name;
  // By metric, what each seed came to. Of the measure's and of those that are told.
  std::map<std::string, std::vector<SeedFigure>> metrics;
};

struct ExperimentResult {
  Experiment experiment;
  std::vector<uint64_t> seeds;
  std::vector<CellResult> cells;  // as the experiment has them
  Difference difference;          // of its measure
  Verdict verdict = Verdict::kUndecided;
  double seconds = 0;   // of training all its steps, each once
  std::string version;  // of the library
};

// A cell a line: the measure's metric and those that are told, means over seeds with each seed's
// figure beside it; "-" for what was not asked.
std::string result_markdown(const ExperimentResult& result);
// experiment, cell, seed, metric, value, count, of: a figure a line (RFC 4180, LF). What was not
// asked has an empty value.
std::string result_csv(const ExperimentResult& result);
// {"experiment", "verdict", "measure": {...}, "difference": {"mean", "low", "high", "seeds": [...],
// "questions"}, "seeds": [...], ...}; null for what was not asked.
std::string result_json(const ExperimentResult& result);
// Bars of the measure's metric, a cell a bar, with Wilson intervals over all seeds' questions and a
// dot a seed; light and dark.
std::string result_svg(const ExperimentResult& result);

// A trial beside the experiments (of scale, of proxies, of the diagnosis), as its files tell it.
struct TrialFiles {
  std::string name, title;  // "scaling", "Scaling"
  std::string markdown;     // table.md
  std::string figure;       // figure.svg, put into the page as it is; empty: it has none
};

// ONE page of all that was tried, which needs nothing else: no network, no fonts, no scripts.
std::string lab_page(const std::vector<ExperimentResult>& results,
                     const std::vector<TrialFiles>& trials = {});

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_RESULT_H_
