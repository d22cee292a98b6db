// The trial of scale as a picture, SVG: loss over size, a curve a budget.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libminillm/lab/forms.h"
#include "libminillm/lab/scaling.h"

namespace minillm::lab {
namespace {

constexpr double kWidth = 480, kLeft = 52, kRight = 466, kTop = 44, kBottom = 330;
constexpr double kLine = 18;
constexpr int kCurvePieces = 48;
constexpr size_t kColors = 4;  // of budgets; more of them begin anew

// Beside what figures of experiments have; hues as there.
constexpr std::string_view kStyle = R"css(
.lab-figure .curve { fill: none; stroke-width: 2; } .lab-figure .at { stroke-dasharray: 3 4; fill: none; }
.lab-figure .hue-0 { stroke: #2456c8; } .lab-figure circle.hue-0 { fill: #2456c8; }
.lab-figure .hue-1 { stroke: #b4501c; } .lab-figure circle.hue-1 { fill: #b4501c; }
.lab-figure .hue-2 { stroke: #1a7440; } .lab-figure circle.hue-2 { fill: #1a7440; }
.lab-figure .hue-3 { stroke: #5a6272; } .lab-figure circle.hue-3 { fill: #5a6272; }
@media (prefers-color-scheme: dark) {
.lab-figure .hue-0 { stroke: #6f9bff; } .lab-figure circle.hue-0 { fill: #6f9bff; }
.lab-figure .hue-1 { stroke: #dd8748; } .lab-figure circle.hue-1 { fill: #dd8748; }
.lab-figure .hue-2 { stroke: #74d195; } .lab-figure circle.hue-2 { fill: #74d195; }
.lab-figure .hue-3 { stroke: #a2a9b8; } .lab-figure circle.hue-3 { fill: #a2a9b8; }
}
)css";

double loss_of(const ScalingRun& run) { return run.end().metrics.at("bits_per_byte").value; }

// The plane of size and loss.
struct Plane {
  double smallest, largest;  // parameters
  double low, high, step;    // bits per byte

  double x(double parameters) const {
    return kLeft +
           (kRight - kLeft) * std::log(parameters / smallest) / std::log(largest / smallest);
  }
  double y(double loss) const { return kBottom - (kBottom - kTop) * (loss - low) / (high - low); }
};

// Holds all runs with a margin around them.
Plane plane_of(const std::vector<ScalingRun>& runs) {
  Plane plane = {1e300, 0, 1e300, 0, 0.1};
  for (const ScalingRun& run : runs) {
    const auto parameters = static_cast<double>(run.cost.parameters);
    plane.smallest = std::min(plane.smallest, parameters / 1.25);
    plane.largest = std::max(plane.largest, parameters * 1.25);
    plane.low = std::min(plane.low, loss_of(run));
    plane.high = std::max(plane.high, loss_of(run));
  }
  plane.step = tick_step(std::max(plane.high - plane.low, 1e-3) / 5);
  plane.low = std::floor(plane.low / plane.step - 0.25) * plane.step;
  plane.high = std::ceil(plane.high / plane.step + 0.25) * plane.step;
  return plane;
}

std::string size_text(double parameters) { return fmt::format("{:.2g}M", parameters * 1e-6); }

void draw_axes(std::string& out, const Plane& plane, const std::vector<ScalingRun>& runs) {
  for (double loss = plane.low; loss < plane.high + plane.step / 2; loss += plane.step)
    out += fmt::format(
        "<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>\n<text class=\"small soft number\" x=\"{}\" "
        "y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n",
        kLeft, plane.y(loss), kRight, kLeft - 6, plane.y(loss) + 4, loss);
  std::vector<int64_t> sizes;
  for (const ScalingRun& run : runs) sizes.push_back(run.cost.parameters);
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  for (const int64_t size : sizes) {
    const auto parameters = static_cast<double>(size);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1}V{2}\"/>\n<text class=\"small soft number\" "
        "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        plane.x(parameters), kTop, kBottom, kBottom + 16, size_text(parameters));
  }
  out += fmt::format(
      "<text class=\"small soft\" x=\"{}\" y=\"{}\" text-anchor=\"end\">parameters</text>\n",
      kRight, kBottom + 32);
}

std::string budget_text(const ScalingBudget& budget, const IsoFlopFit& fit) {
  std::string out = fmt::format("{:.3g} TFLOP: ", budget.flop * 1e-12);
  if (!fit.minimum) return out + "no minimum: " + fit.why_none;
  out += "lowest at " + size_text(fit.minimum->parameters);
  if (fit.interval)
    return out + fmt::format(" (95 % interval {} to {})", size_text(fit.interval->low),
                             size_text(fit.interval->high));
  return out + " (" + fit.why_none + ")";
}

// From the smallest to the largest size that was tried under the budget, and no further.
std::string curve_path(const Plane& plane, const Parabola& parabola, double from, double to) {
  std::string path;
  for (int i = 0; i <= kCurvePieces; ++i) {
    const double parameters = from * std::pow(to / from, double(i) / kCurvePieces);
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", plane.x(parameters),
                        plane.y(parabola.at(parameters)));
  }
  return path;
}

void draw_budget(std::string& out, const Plane& plane, const ScalingBudget& budget,
                 const IsoFlopFit& fit, size_t hue, const std::vector<ScalingRun>& runs) {
  out += fmt::format("<g>\n<title>{}</title>\n", markup_text(budget_text(budget, fit)));
  double from = 1e300, to = 0;
  for (const ScalingRun& run : runs) {
    if (run.budget != budget.flop) continue;
    from = std::min(from, static_cast<double>(run.cost.parameters));
    to = std::max(to, static_cast<double>(run.cost.parameters));
  }
  if (fit.parabola)
    out += fmt::format("<path class=\"curve hue-{}\" d=\"{}\"/>\n", hue,
                       curve_path(plane, *fit.parabola, from, to));
  if (fit.minimum)
    out += fmt::format("<path class=\"at hue-{}\" d=\"M{:.1f} {:.1f}V{}\"/>\n", hue,
                       plane.x(fit.minimum->parameters), plane.y(fit.minimum->loss), kBottom);
  for (const ScalingRun& run : runs)
    if (run.budget == budget.flop)
      out += fmt::format(
          "<circle class=\"hue-{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"><title>{}, seed {}: "
          "{}</title></circle>\n",
          hue, plane.x(static_cast<double>(run.cost.parameters)), plane.y(loss_of(run)),
          markup_text(run.size), run.seed, number_text(loss_of(run)));
  out += "</g>\n";
}

}  // namespace

std::string scaling_svg(const ScalingResult& result) {
  const Plane plane = plane_of(result.runs);
  std::string out = fmt::format(
      "<text class=\"strong\" x=\"10\" y=\"24\">Bits per byte of held-out stories</text>\n");
  draw_axes(out, plane, result.runs);
  std::string described;
  double y = kBottom + 54;
  for (size_t i = 0; i < result.fits.size(); ++i) {
    const size_t hue = i % kColors;
    const std::string text = budget_text(result.plan.budgets[i], result.fits[i]);
    draw_budget(out, plane, result.plan.budgets[i], result.fits[i], hue, result.runs);
    out += fmt::format(
        "<circle class=\"hue-{}\" cx=\"16\" cy=\"{:.0f}\" r=\"4\"/>\n<text class=\"small number\" "
        "x=\"28\" y=\"{:.0f}\">{}</text>\n",
        hue, y - 4, y, markup_text(text));
    described += text + ". ";
    y += kLine;
  }
  out += fmt::format(
      "<text class=\"small soft\" x=\"10\" y=\"{:.0f}\">Dots: runs, a seed each. Curves: parabolas "
      "of all seeds.</text>\n",
      y + 6);
  y += 18;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab-figure\" role=\"img\" width=\"{0}\" "
      "height=\"{1:.0f}\" viewBox=\"0 0 {0} {1:.0f}\">\n<title>Scaling: bits per byte by size and "
      "budget</title>\n<desc>{2}</desc>\n<style>{3}{4}</style>\n<rect class=\"ground\" "
      "width=\"{0}\" height=\"{1:.0f}\"/>\n{5}</svg>\n",
      kWidth, y, markup_text(described), figure_style(), kStyle, out);
}

}  // namespace minillm::lab
