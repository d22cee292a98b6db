#include "libminillm/eval/reliability_diagram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "libminillm/core/visible.h"

namespace minillm {
namespace {

constexpr double kWidth = 480, kLeft = 52, kSide = 412, kTop = 56;  // of the square, on [0, 1]^2
constexpr double kBarsTop = kTop + kSide + 82, kTallestBar = 60;
constexpr double kBase = kBarsTop + kTallestBar;  // what the bars stand on
constexpr double kHeight = kBase + 112;

// No variables: the rules also hold where another style sheet has names of its own.
constexpr std::string_view kStyle = R"css(
.reliability { font-family: system-ui, sans-serif; font-size: 13px; }
.reliability text { fill: #1d2129; } .reliability .soft { fill: #5a6272; }
.reliability .small { font-size: 12px; } .reliability .tiny { font-size: 10px; } .reliability .strong { font-weight: 650; }
.reliability .number { font-variant-numeric: tabular-nums; }
.reliability .ground { fill: #ffffff; } .reliability .frame { fill: #f7f5f0; stroke: #b3afa3; }
.reliability .grid { stroke: #e0ddd3; } .reliability .diagonal { stroke: #5a6272; stroke-dasharray: 5 4; }
.reliability .whisker { stroke: #2456c8; stroke-width: 1.5; fill: none; } .reliability .dot { fill: #2456c8; }
.reliability .bar { fill: #b3afa3; }
@media (prefers-color-scheme: dark) {
.reliability text { fill: #e8e9ec; } .reliability .soft { fill: #a2a9b8; }
.reliability .ground { fill: #1c1f26; } .reliability .frame { fill: #232831; stroke: #646b7b; }
.reliability .grid { stroke: #343a46; } .reliability .diagonal { stroke: #a2a9b8; }
.reliability .whisker { stroke: #6f9bff; } .reliability .dot { fill: #6f9bff; }
.reliability .bar { fill: #646b7b; }
}
)css";

double x_of(double confidence) { return kLeft + kSide * confidence; }
double y_of(double rate) { return kTop + kSide * (1 - rate); }

std::string bin_text(const CalibrationBin& bin) {
  return fmt::format("confidence {}: {} of {} right, {}, 95 % interval {} to {}",
                     calibration_text(bin.confidence), bin.right, bin.answers,
                     calibration_text(bin.rate()), calibration_text(bin.interval().low),
                     calibration_text(bin.interval().high));
}

std::string figures_text(const Calibration& calibration) {
  std::optional<double> brier;
  if (calibration.brier) brier = calibration.brier->score;
  return fmt::format("ECE {} (calibrated: {}), Brier {}, AUROC {}",
                     calibration_text(calibration.ece),
                     calibration_text(calibration.ece_if_calibrated), calibration_text(brier),
                     calibration_text(calibration.auroc));
}

std::string counts_text(const Calibration& calibration) {
  return fmt::format("{} answers, {} of them right; beside them {} denials", calibration.answers,
                     calibration.right, calibration.denied);
}

std::string text_at(double x, double y, const char* classes, const std::string& more,
                    const std::string& text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", classes, x, y,
                     more, markup_text(text));
}

// The end of a title that is too long for a line, since names of one folder differ there.
std::string fitting(std::string title) {
  constexpr size_t kMost = 56;  // bytes
  if (title.size() <= kMost) return title;
  size_t begin = title.size() - kMost;
  while (begin < title.size() && (static_cast<uint8_t>(title[begin]) & 0xc0) == 0x80) ++begin;
  return "\u2026" + title.substr(begin);
}

constexpr const char* kMiddle = " text-anchor=\"middle\"";
constexpr const char* kEnd = " text-anchor=\"end\"";

std::string turned(double x, double y, const char* anchor) {
  return fmt::format("{} transform=\"rotate(-90 {:.1f} {:.1f})\"", anchor, x, y);
}

std::string draw_axes() {
  std::string out =
      fmt::format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", kLeft,
                  kTop, kSide, kSide);
  for (int i = 0; i <= 4; ++i) {
    const double value = i / 4.0;
    if (i % 4 != 0)
      out += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}v{}M{:.1f} {:.1f}h{}\"/>\n",
                         x_of(value), kTop, kSide, kLeft, y_of(value), kSide);
    const std::string text = fmt::format("{:.2f}", value);
    out += text_at(x_of(value), kTop + kSide + 16, "small soft number", kMiddle, text);
    out += text_at(kLeft - 6, y_of(value) + 4, "small soft number", kEnd, text);
  }
  out += fmt::format("<path class=\"diagonal\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", x_of(0),
                     y_of(0), x_of(1), y_of(1));
  out += text_at(kLeft + kSide / 2, kTop + kSide + 34, "", kMiddle, "mean confidence");
  const double middle = kTop + kSide / 2;
  return out + text_at(14, middle, "", turned(14, middle, kMiddle), "rate right");
}

std::string draw_bin(const CalibrationBin& bin) {
  const double x = x_of(bin.confidence);
  return fmt::format(
      "<g>\n<title>{0}</title>\n"
      "<path class=\"whisker\" d=\"M{1:.1f} {3:.1f}h8M{2:.1f} {3:.1f}V{4:.1f}M{1:.1f} "
      "{4:.1f}h8\"/>\n"
      "<circle class=\"dot\" cx=\"{2:.1f}\" cy=\"{5:.1f}\" r=\"4\"/>\n</g>\n",
      markup_text(bin_text(bin)), x - 4, x, y_of(bin.interval().low), y_of(bin.interval().high),
      y_of(bin.rate()));
}

// Side by side and as wide, not at their confidence, where those of a sure model lie on each other.
std::string draw_counts(const std::vector<CalibrationBin>& bins) {
  std::string out =
      text_at(kLeft, kBarsTop - 22, "", "", "Answers of each bin, above its mean confidence");
  const int64_t most = std::ranges::max_element(bins, {}, &CalibrationBin::answers)->answers;
  const double slot = std::min(40.0, kSide / static_cast<double>(bins.size()));
  for (size_t i = 0; i < bins.size(); ++i) {
    const double height =
        kTallestBar * static_cast<double>(bins[i].answers) / static_cast<double>(most);
    const double left = kLeft + slot * static_cast<double>(i), middle = left + slot / 2;
    out += fmt::format("<g>\n<title>{}</title>\n", markup_text(bin_text(bins[i])));
    out += fmt::format(
        "<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
        left + 2, kBase - height, slot - 4, height);
    out += text_at(middle, kBase - height - 4, "tiny number", kMiddle,
                   std::to_string(bins[i].answers));
    out += text_at(middle + 4, kBase + 6, "tiny soft number", turned(middle + 4, kBase + 6, kEnd),
                   calibration_text(bins[i].confidence));
    out += "</g>\n";
  }
  return out;
}

}  // namespace

std::string calibration_text(std::optional<double> figure) {
  if (!figure) return "-";
  // What rounds to zero has no sign.
  return fmt::format("{:.4f}", std::abs(*figure) < 0.00005 ? 0.0 : *figure);
}

std::string reliability_diagram(const Calibration& calibration, const std::string& title) {
  std::string described = figures_text(calibration) + ". " + counts_text(calibration) + ".";
  for (const CalibrationBin& bin : calibration.bins) described += " " + bin_text(bin) + ".";
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"reliability\" role=\"img\" "
      "width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
      "<title>{2}</title>\n<desc>{3}</desc>\n<style>{4}</style>\n"
      "<rect class=\"ground\" width=\"{0}\" height=\"{1}\"/>\n",
      kWidth, kHeight, markup_text(title), markup_text(described), kStyle);
  out += text_at(kLeft, 22, "strong", "", fitting(title));
  out += text_at(kLeft, 42, "number", "", figures_text(calibration));
  out += draw_axes();
  for (const CalibrationBin& bin : calibration.bins) out += draw_bin(bin);
  if (!calibration.bins.empty()) out += draw_counts(calibration.bins);
  out += text_at(kLeft, kBase + 62, "number", "", counts_text(calibration));
  out += text_at(kLeft, kBase + 82, "small soft", "",
                 "Dot: a bin. Whisker: Wilson's 95 % interval of its rate right.");
  out += text_at(kLeft, kBase + 100, "small soft", "",
                 "Below the dashed line: surer than right; above: less sure.");
  return out + "</svg>\n";
}

}  // namespace minillm
