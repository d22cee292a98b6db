// A result as a picture, SVG. A cell's name stands above its bar, not beside it, so that it may be
// long and the picture fits a phone.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libminillm/core/utf8.h"
#include "libminillm/core/visible.h"
#include "libminillm/eval/statistics.h"
#include "libminillm/lab/forms.h"

namespace minillm::lab {
namespace {

constexpr double kWidth = 480, kMargin = 10;
// A character is taken for this wide: more than most are in most fonts, since no font is known.
constexpr double kCharacter = 8.4, kSmallCharacter = 7.2, kLine = 18, kSmallLine = 16;
constexpr double kBar = 14, kTrack = 26;  // a bar's height, and with the dots below it

// No variables: the rules also hold where another style sheet has names of its own.
constexpr std::string_view kStyle = R"css(
.lab-figure { font-family: system-ui, sans-serif; font-size: 14px; }
.lab-figure text { fill: #1d2129; font-size: 14px; }
.lab-figure .small { font-size: 12px; } .lab-figure .strong { font-weight: 650; }
.lab-figure .soft { fill: #5a6272; } .lab-figure .number { font-variant-numeric: tabular-nums; }
.lab-figure .ground { fill: #ffffff; } .lab-figure .track { fill: #f1efe9; } .lab-figure .grid { stroke: #d5d1c6; }
.lab-figure .bar { fill: #b3afa3; } .lab-figure .cell { fill: #2456c8; } .lab-figure .against { fill: #b4501c; }
.lab-figure .whisker { stroke: #1d2129; stroke-width: 1.5; fill: none; }
.lab-figure .dot { fill: #1d2129; fill-opacity: .62; }
.lab-figure .supported { fill: #1a7440; } .lab-figure .refuted { fill: #b3261e; } .lab-figure .undecided { fill: #5a6272; }
@media (prefers-color-scheme: dark) {
.lab-figure text { fill: #e8e9ec; } .lab-figure .soft { fill: #a2a9b8; }
.lab-figure .ground { fill: #1c1f26; } .lab-figure .track { fill: #272c35; } .lab-figure .grid { stroke: #434a58; }
.lab-figure .bar { fill: #646b7b; } .lab-figure .cell { fill: #6f9bff; } .lab-figure .against { fill: #dd8748; }
.lab-figure .whisker { stroke: #f4f5f7; } .lab-figure .dot { fill: #f4f5f7; }
.lab-figure .supported { fill: #74d195; } .lab-figure .refuted { fill: #ff938a; } .lab-figure .undecided { fill: #a2a9b8; }
}
)css";

// A character's width, in such characters: those of East Asia and pictures count twice.
double columns(std::string_view character) {
  if (character.size() > 1) return character.size() == 2 ? 1 : 2;
  if (std::string_view("mwMW@%").find(character) != std::string_view::npos) return 1.5;
  return 'A' <= character[0] && character[0] <= 'Z' ? 1.2 : 1;
}

// Lines no wider than `width` characters, broken at spaces, and within a word only if it alone is
// too wide.
std::vector<std::string> wrapped(std::string_view raw, double width) {
  const std::string text = visible(raw);
  std::vector<std::string> lines;
  std::string line, word;
  double line_width = 0, word_width = 0;
  const auto end_line = [&] {
    if (!line.empty()) lines.push_back(line);
    line.clear();
    line_width = 0;
  };
  const auto end_word = [&] {
    if (word.empty()) return;
    if (!line.empty() && line_width + 1 + word_width > width) end_line();
    if (!line.empty()) {
      line += ' ';
      ++line_width;
    }
    line += word;
    line_width += word_width;
    word.clear();
    word_width = 0;
  };
  for (size_t i = 0; i < text.size();) {
    const std::string_view character(
        text.data() + i,
        std::max<size_t>(1, utf8_character_length(std::string_view(text).substr(i))));
    i += character.size();
    if (character == " " || character == "\n" || character == "\t") {
      end_word();
      continue;
    }
    if (word_width + columns(character) > width) end_word();
    word += character;
    word_width += columns(character);
  }
  end_word();
  end_line();
  return lines;
}

// What a bar shows.
struct Bar {
  std::string name;
  std::string role;                  // "cell", "against" or "bar"
  std::optional<double> mean;        // of the seeds, as in the table
  std::optional<Interval> interval;  // of all their questions
  std::vector<std::optional<double>> seeds;
};

// Only what counts questions has Wilson's interval: bits per byte count bytes, exposures are means.
bool is_share(const ExperimentResult& result, const std::string& metric) {
  for (const char* mean :
       {"bits", "exposure", "probability", "words", "brier", "confidence", "log_prob"})
    if (metric.find(mean) != std::string::npos) return false;
  for (const CellResult& cell : result.cells)
    for (const SeedFigure& figure : seed_figures(result, cell, metric))
      if (const std::optional<double> value = value_of(figure))
        if (figure.count < 0 || figure.count > figure.of ||
            std::abs(*value - double(figure.count) / double(figure.of)) > 1e-6)
          return false;
  return true;
}

Bar bar_of(const ExperimentResult& result, const CellResult& cell, const std::string& metric,
           bool share) {
  Bar bar;
  bar.name = cell.name;
  const std::vector<SeedFigure> figures = seed_figures(result, cell, metric);
  bar.mean = mean_of(figures);
  int64_t count = 0, of = 0;
  for (const SeedFigure& figure : figures) {
    bar.seeds.push_back(value_of(figure));
    if (!bar.seeds.back()) continue;
    count += figure.count;
    of += figure.of;
  }
  if (share && bar.mean) bar.interval = wilson_interval(count, of);
  return bar;
}

// A cell's bars stand together: one, or two where the sides have different metrics.
std::vector<Bar> bars_of(const ExperimentResult& result, bool share) {
  const Measure& measure = result.experiment.measure;
  const std::string& other = against_metric(measure);
  const bool two = other != measure.metric;
  std::vector<Bar> bars;
  for (const CellResult& cell : result.cells) {
    const bool is_cell = cell.name == measure.cell, is_against = cell.name == measure.against;
    bars.push_back(bar_of(result, cell, measure.metric, share));
    bars.back().role = is_cell ? "cell" : is_against && !two ? "against" : "bar";
    if (!two) continue;
    bars.back().name += ": " + measure.metric;
    bars.push_back(bar_of(result, cell, other, share));
    bars.back().role = is_against ? "against" : "bar";
    bars.back().name += ": " + other;
  }
  return bars;
}

// From `low` in equal steps: 0 to 1 for shares, else what holds zero and all values.
struct Axis {
  double low = 0, step = 0.25;
  int steps = 4;
  double high() const { return low + step * steps; }
};

Axis axis_of(const std::vector<Bar>& bars, bool share) {
  double low = 0, high = 0;
  for (const Bar& bar : bars)
    for (const std::optional<double>& seed : bar.seeds)
      if (seed) {
        low = std::min(low, *seed);
        high = std::max(high, *seed);
      }
  if (share || !std::isfinite(high - low) || high - low <= 1e-300) return {};
  const double step = tick_step((high - low) / 4);
  const double first = std::floor(low / step), last = std::ceil(high / step);
  return {first * step, step, static_cast<int>(last - first)};
}

// Grows downwards.
struct Drawing {
  std::string out;
  double y = 8;

  void lines(std::string_view text, const char* classes, double character, double height) {
    for (const std::string& line : wrapped(text, (kWidth - 2 * kMargin) / character)) {
      y += height;
      out += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{:.1f}\">{}</text>\n", classes, kMargin,
                         y - 4, markup_text(line));
    }
  }
};

std::string interval_text(const Bar& bar) {
  if (!bar.interval) return "";
  return fmt::format(", 95 % interval {} to {}", number_text(bar.interval->low),
                     number_text(bar.interval->high));
}

std::string bar_text(const Bar& bar) {
  if (!bar.mean) return bar.name + ": not asked";
  std::string seeds;
  for (const std::optional<double>& seed : bar.seeds) seeds += " " + number_text(seed);
  return fmt::format("{}: {}{}; seeds{}", bar.name, number_text(bar.mean), interval_text(bar),
                     seeds);
}

void draw_bars(Drawing& drawing, const std::vector<Bar>& bars, const Axis& axis) {
  size_t digits = 5;
  for (const Bar& bar : bars) digits = std::max(digits, number_text(bar.mean).size());
  const double left = kMargin + 4;
  const double right = kWidth - kMargin - 12 - kCharacter * static_cast<double>(digits);
  const auto at = [&](double value) {
    const double share = std::clamp((value - axis.low) / (axis.high() - axis.low), 0.0, 1.0);
    return left + share * (right - left);
  };
  for (const Bar& bar : bars) {
    drawing.y += 8;
    drawing.out += fmt::format("<g>\n<title>{}</title>\n", markup_text(bar_text(bar)));
    const bool compared = bar.role != "bar";
    drawing.lines(bar.name, compared ? "strong" : "", compared ? kCharacter + 0.4 : kCharacter,
                  kLine);
    const double top = drawing.y + 1;
    drawing.out += fmt::format(
        "<rect class=\"track\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\"/>\n", left,
        top, right - left, kTrack);
    for (int i = 0; i <= axis.steps; ++i)
      drawing.out += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}v{}\"/>\n",
                                 at(axis.low + i * axis.step), top, kTrack);
    if (bar.mean) {
      const double from = std::min(at(0), at(*bar.mean)), to = std::max(at(0), at(*bar.mean));
      drawing.out += fmt::format(
          "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\"/>\n",
          bar.role, from, top, to - from, kBar);
    }
    if (bar.interval) {
      const double low = at(bar.interval->low), high = at(bar.interval->high);
      drawing.out += fmt::format(
          "<path class=\"whisker\" d=\"M{0:.1f} {1:.1f}v8M{0:.1f} {2:.1f}H{3:.1f}M{3:.1f} "
          "{1:.1f}v8\"/>\n",
          low, top + kBar / 2 - 4, top + kBar / 2, high);
    }
    for (const std::optional<double>& seed : bar.seeds)
      if (seed)
        drawing.out +=
            fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>\n",
                        at(*seed), top + kBar + (kTrack - kBar) / 2);
    drawing.out += fmt::format(
        "<text class=\"number{}\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n</g>\n",
        compared ? " strong" : "", kWidth - kMargin, top + kBar - 2, number_text(bar.mean));
    drawing.y = top + kTrack;
  }
  drawing.y += kSmallLine;
  for (int i = 0; i <= axis.steps; ++i) {
    const double value = axis.low + i * axis.step;
    drawing.out += fmt::format(
        "<text class=\"small soft number\" x=\"{:.1f}\" y=\"{:.1f}\" "
        "text-anchor=\"middle\">{:.4g}</text>\n",
        at(value), drawing.y - 2, std::abs(value) < axis.step / 2 ? 0 : value);
  }
}

std::string draw(const ExperimentResult& result, bool with_style) {
  const Measure& measure = result.experiment.measure;
  const std::string& other = against_metric(measure);
  const bool two = other != measure.metric;
  const bool share = is_share(result, measure.metric) && is_share(result, other);
  const std::vector<Bar> bars = bars_of(result, share);
  const std::string compared =
      two ? compared_text(measure) : fmt::format("{} against {}", measure.cell, measure.against);
  const std::string difference = "Difference: " + difference_text(result.difference);
  const std::string expected = "Expected: " + expectation_text(measure);
  const std::string verdict = fmt::format("Verdict: {}", verdict_name(result.verdict));

  Drawing drawing;
  drawing.lines(two ? measure.metric + ", " + other : measure.metric, "strong", kCharacter + 0.4,
                kLine);
  draw_bars(drawing, bars, axis_of(bars, share));
  drawing.y += 6;
  drawing.lines(share ? "Bar: mean of the seeds. Whisker: Wilson's 95 % interval of all their "
                        "questions. Dots: the seeds."
                      : "Bar: mean of the seeds. Dots: the seeds.",
                "small soft", kSmallCharacter, kSmallLine);
  drawing.y += 8;
  drawing.lines(compared, "strong", kCharacter + 0.4, kLine);
  drawing.lines(difference, "number", kCharacter, kLine);
  drawing.lines(expected, "", kCharacter, kLine);
  drawing.lines(verdict, fmt::format("strong {}", verdict_name(result.verdict)).c_str(),
                kCharacter + 0.4, kLine);
  drawing.y += 10;

  std::string described;
  for (const Bar& bar : bars) described += bar_text(bar) + ". ";
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab-figure\" role=\"img\" width=\"{0}\" "
      "height=\"{1:.0f}\" viewBox=\"0 0 {0} {1:.0f}\">\n<title>{2}</title>\n<desc>{3}</desc>\n{4}"
      "<rect class=\"ground\" width=\"{0}\" height=\"{1:.0f}\"/>\n{5}</svg>\n",
      kWidth, drawing.y,
      markup_text(fmt::format("{}: {} by cell", result.experiment.name, measure.metric)),
      markup_text(
          fmt::format("{}{}. {}. {}. {}.", described, compared, difference, expected, verdict)),
      with_style ? fmt::format("<style>{}</style>\n", kStyle) : std::string(), drawing.out);
}

}  // namespace

std::string_view figure_style() { return kStyle; }

std::string figure_without_style(const ExperimentResult& result) { return draw(result, false); }

std::string result_svg(const ExperimentResult& result) { return draw(result, true); }

}  // namespace minillm::lab
