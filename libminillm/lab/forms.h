// What the forms of a result have in common: each number is put into words in one place, so that
// table, figure and page say the same.

#ifndef LIBMINILLM_LAB_FORMS_H_
#define LIBMINILLM_LAB_FORMS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/visible.h"  // markup_text
#include "libminillm/lab/result.h"

namespace minillm::lab {

// The measure's metric, that of the other side if it has one, then those that are told, each once.
std::vector<std::string> shown_metrics(const Experiment& experiment);

// What a cell came to under a metric, a figure for each of the result's seeds: `of` 0 where there
// is none.
std::vector<SeedFigure> seed_figures(const ExperimentResult& result, const CellResult& cell,
                                     const std::string& metric);
// Nothing where nothing was asked, or where the value is not finite.
std::optional<double> value_of(const SeedFigure& figure);
// The mean over those seeds that have a value.
std::optional<double> mean_of(const std::vector<SeedFigure>& figures);

// Three decimals; "-" for nothing. A difference has its sign.
std::string number_text(std::optional<double> value);
std::string signed_text(std::optional<double> value);
// Nothing where nothing was asked, or where it is not finite.
std::optional<double> difference_part(const Difference& difference, double part);
// "+0.722 (95 % interval +0.690 to +0.751)", or why there is none.
std::string difference_text(const Difference& difference);
const char* expectation_name(Expectation expects);  // "more", "less", "same"
// "cloze_accuracy, after against base"; "benign_rate of after against harmful_rate of base".
std::string compared_text(const Measure& measure);
// The metric of the side that is compared with.
const std::string& against_metric(const Measure& measure);
// "more, by over the margin of 0.1"
std::string expectation_text(const Measure& measure);
// "1, 2, 3"
std::string seeds_text(const ExperimentResult& result);

// The next higher of 1, 2 and 5 times a power of ten: what an axis is divided by. REQUIRES rough >
// 0.
double tick_step(double rough);
// The figure without its colors, for a page that has figure_style() once for all.
std::string figure_without_style(const ExperimentResult& result);
// Rules of CSS for all within class "lab-figure", light and dark.
std::string_view figure_style();

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_FORMS_H_
