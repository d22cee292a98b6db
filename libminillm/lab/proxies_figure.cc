// What proxies are worth as a picture, SVG: the goal over each proxy, side by side.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libminillm/lab/forms.h"
#include "libminillm/lab/proxies.h"

namespace minillm::lab {
namespace {

constexpr double kWidth = 480, kPanel = 180, kLeft = 40, kTop = 72, kGap = 76;
constexpr size_t kColumns = 2;

struct Panel {
  double left, top, low, high;  // low, high: of the proxy

  double x(double value) const { return left + kPanel * (value - low) / (high - low); }
  double y(double goal) const { return top + kPanel * (1 - goal); }
};

// Shares from 0 to 1, whatever else (bits) as far as it goes.
double highest_of(const Proxy& proxy) {
  double highest = 1;
  for (const double value : proxy.values) highest = std::max(highest, std::ceil(value));
  return highest;
}

std::string tau_text(const Proxy& proxy) {
  std::string out = "tau " + signed_text(proxy.correlation.tau);
  if (const auto& interval = proxy.correlation.interval)
    out += fmt::format(" [{}, {}]", signed_text(interval->low), signed_text(interval->high));
  return out;
}

void draw_panel(std::string& out, const Panel& panel, const Proxy& proxy) {
  out += fmt::format(
      "<text class=\"small strong\" x=\"{0}\" y=\"{1}\">{2}</text>\n<text class=\"small number\" "
      "x=\"{0}\" y=\"{3}\">{4}</text>\n<rect class=\"track\" x=\"{0}\" y=\"{5}\" width=\"{6}\" "
      "height=\"{6}\"/>\n",
      panel.left, panel.top - 22, markup_text(proxy.metric), panel.top - 7,
      markup_text(tau_text(proxy)), panel.top, kPanel);
  for (const double share : {0.0, 0.5, 1.0}) {
    const double value = panel.low + share * (panel.high - panel.low);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0} {1}h{2}M{3} {4}v{2}\"/>\n<text class=\"small soft number\" "
        "x=\"{5}\" y=\"{6}\" text-anchor=\"end\">{7}</text>\n<text class=\"small soft number\" "
        "x=\"{3}\" y=\"{8}\" text-anchor=\"middle\">{9:.3g}</text>\n",
        panel.left, panel.y(share), kPanel, panel.x(value), panel.top, panel.left - 5,
        panel.y(share) + 4, share, panel.top + kPanel + 15, value);
  }
  for (size_t i = 0; i < proxy.values.size(); ++i)
    out += fmt::format(
        "<circle class=\"cell\" fill-opacity=\".6\" cx=\"{:.1f}\" cy=\"{:.1f}\" "
        "r=\"3.5\"><title>{}: "
        "{}, {}</title></circle>\n",
        panel.x(std::max(proxy.values[i], panel.low)), panel.y(proxy.goals[i]),
        markup_text(proxy.checkpoints[i]), number_text(proxy.values[i]),
        number_text(proxy.goals[i]));
}

}  // namespace

std::string proxies_svg(const ProxyTrial& trial) {
  std::string out = fmt::format(
      "<text class=\"strong\" x=\"10\" y=\"24\">{}, over each proxy</text>\n", markup_text(kGoal));
  std::string described;
  for (size_t i = 0; i < trial.proxies.size(); ++i) {
    const Proxy& proxy = trial.proxies[i];
    const Panel panel = {kLeft + double(i % kColumns) * (kWidth - kLeft) / kColumns,
                         kTop + double(i / kColumns) * (kPanel + kGap), 0, highest_of(proxy)};
    draw_panel(out, panel, proxy);
    described += fmt::format("{}: {}. ", proxy.metric, tau_text(proxy));
  }
  const double rows = std::ceil(double(trial.proxies.size()) / kColumns);
  const double bottom = kTop + rows * (kPanel + kGap) - 20;
  out += fmt::format(
      "<text class=\"small soft\" x=\"10\" y=\"{0}\">Dots: checkpoints. tau: Kendall's, with its "
      "95 "
      "% interval.</text>\n<text class=\"strong {1}\" x=\"10\" y=\"{2}\">Verdict: {1}</text>\n",
      bottom, verdict_name(trial.verdict), bottom + 24);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab-figure\" role=\"img\" width=\"{0}\" "
      "height=\"{1:.0f}\" viewBox=\"0 0 {0} {1:.0f}\">\n<title>{2} over proxies</title>\n"
      "<desc>{3}</desc>\n<style>{4}</style>\n<rect class=\"ground\" width=\"{0}\" "
      "height=\"{1:.0f}\"/>\n{5}</svg>\n",
      kWidth, bottom + 36, kGoal, markup_text(described), figure_style(), out);
}

}  // namespace minillm::lab
