#include "libminillm/lab/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace minillm::lab {
namespace {

// What rounds to zero has no sign.
std::string rounded(double value, bool with_sign) {
  if (std::abs(value) < 0.0005) value = 0;
  if (value == 0) return "0.000";
  if (std::abs(value) >= 1e6)
    return with_sign ? fmt::format("{:+.3e}", value) : fmt::format("{:.3e}", value);
  return with_sign ? fmt::format("{:+.3f}", value) : fmt::format("{:.3f}", value);
}

}  // namespace

std::vector<std::string> shown_metrics(const Experiment& experiment) {
  std::vector<std::string> metrics = {experiment.measure.metric};
  std::vector<std::string> others = {against_metric(experiment.measure)};
  others.insert(others.end(), experiment.tell.begin(), experiment.tell.end());
  for (const std::string& metric : others)
    if (std::ranges::find(metrics, metric) == metrics.end()) metrics.push_back(metric);
  return metrics;
}

std::vector<SeedFigure> seed_figures(const ExperimentResult& result, const CellResult& cell,
                                     const std::string& metric) {
  std::vector<SeedFigure> figures;
  if (const auto found = cell.metrics.find(metric); found != cell.metrics.end())
    figures = found->second;
  figures.resize(result.seeds.size());
  return figures;
}

std::optional<double> value_of(const SeedFigure& figure) {
  if (figure.of == 0 || !std::isfinite(figure.value)) return std::nullopt;
  return figure.value;
}

std::optional<double> mean_of(const std::vector<SeedFigure>& figures) {
  double sum = 0;
  int count = 0;
  for (const SeedFigure& figure : figures) {
    if (const std::optional<double> value = value_of(figure)) {
      sum += *value;
      ++count;
    }
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

std::string number_text(std::optional<double> value) {
  return value ? rounded(*value, false) : "-";
}

std::string signed_text(std::optional<double> value) { return value ? rounded(*value, true) : "-"; }

std::optional<double> difference_part(const Difference& difference, double part) {
  if (difference.questions == 0 || !std::isfinite(part)) return std::nullopt;
  return part;
}

std::string difference_text(const Difference& difference) {
  if (difference.questions == 0) return "none: nothing was asked of both cells";
  return fmt::format("{} (95 % interval {} to {})",
                     signed_text(difference_part(difference, difference.mean)),
                     signed_text(difference_part(difference, difference.interval.low)),
                     signed_text(difference_part(difference, difference.interval.high)));
}

const std::string& against_metric(const Measure& measure) {
  return measure.against_metric.empty() ? measure.metric : measure.against_metric;
}

std::string compared_text(const Measure& measure) {
  if (against_metric(measure) == measure.metric)
    return fmt::format("{}, {} against {}", measure.metric, measure.cell, measure.against);
  return fmt::format("{} of {} against {} of {}", measure.metric, measure.cell,
                     against_metric(measure), measure.against);
}

const char* expectation_name(Expectation expects) {
  switch (expects) {
    case Expectation::kMore:
      return "more";
    case Expectation::kLess:
      return "less";
    case Expectation::kSame:
      break;
  }
  return "same";
}

std::string expectation_text(const Measure& measure) {
  if (measure.expects == Expectation::kSame)
    return fmt::format("the same, within the margin of {}", measure.margin);
  return fmt::format("{}, by over the margin of {}", expectation_name(measure.expects),
                     measure.margin);
}

double tick_step(double rough) {
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double times = rough / power;
  return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

std::string seeds_text(const ExperimentResult& result) {
  return fmt::format("{}", fmt::join(result.seeds, ", "));
}

}  // namespace minillm::lab
