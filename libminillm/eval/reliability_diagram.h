// A reliability diagram: how often answers are right, against how sure the model was of them.

#ifndef LIBMINILLM_EVAL_RELIABILITY_DIAGRAM_H_
#define LIBMINILLM_EVAL_RELIABILITY_DIAGRAM_H_

#include <optional>
#include <string>

#include "libminillm/eval/calibration.h"

namespace minillm {

// A picture, SVG, that needs no other file, in light or dark colors as the reader prefers: a dot
// for each bin at its mean confidence and rate right, with Wilson's 95 % interval as a whisker; the
// diagonal, on which confidence is the rate; below, how many answers each bin has; and the figures
// in words. `title` may hold any text.
std::string reliability_diagram(const Calibration& calibration, const std::string& title);

// Four decimals, "-" for nothing: the figures of the diagram as it writes them.
std::string calibration_text(std::optional<double> figure);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_RELIABILITY_DIAGRAM_H_
