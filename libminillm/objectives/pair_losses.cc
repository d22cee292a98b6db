#include "libminillm/objectives/pair_losses.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

// log(1 + e^x) = -log sigma(-x), without overflow for large x or loss of digits for small.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));  // <= 1
  return (x >= 0 ? 1 : e) / (1 + e);
}

// With h = beta (s_w - s_l):   loss = (1 - e) softplus(-h) + e softplus(h)
//                              dloss/dh = -(1 - e) sigma(-h) + e sigma(h)
PairGradient dpo(const PairValues& v, const PairLossConfig& c) {
  const double h = c.beta * ((v.chosen - v.reference_chosen) - (v.rejected - v.reference_rejected));
  const double keep = 1 - c.label_smoothing;
  const double dh = -keep * sigmoid(-h) + c.label_smoothing * sigmoid(h);
  return {keep * softplus(-h) + c.label_smoothing * softplus(h), c.beta * dh, -c.beta * dh};
}

// With d = s_w/n_w - s_l/n_l - 1/(2 beta):   loss = d^2,   its derivatives 2 d/n_w and -2 d/n_l.
PairGradient ipo(const PairValues& v, const PairLossConfig& c) {
  const double d = (v.chosen - v.reference_chosen) / v.chosen_tokens -
                   (v.rejected - v.reference_rejected) / v.rejected_tokens - 1 / (2 * c.beta);
  return {d * d, 2 * d / v.chosen_tokens, -2 * d / v.rejected_tokens};
}

// The keys whose values are not the defaults.
std::vector<std::string> keys_that_are_set(PairLossConfig config) {
  PairLossConfig defaults;
  ConfigFields fields, default_fields;
  list_fields(fields, config);
  list_fields(default_fields, defaults);
  std::vector<std::string> keys;
  for (size_t i = 0; i < fields.all().size(); ++i) {
    const auto is_default = [&](const auto* value) {
      return *value == *std::get<std::decay_t<decltype(*value)>*>(default_fields.all()[i].value);
    };
    if (!std::visit(is_default, fields.all()[i].value)) keys.push_back(fields.all()[i].key);
  }
  return keys;
}

}  // namespace

const std::vector<PairLoss>& pair_losses() {
  static const std::vector<PairLoss> losses = {
      {"dpo", {"dpo.beta", "dpo.label_smoothing"}, /*needs_reference=*/true, dpo},
      {"ipo", {"dpo.beta"}, /*needs_reference=*/true, ipo},
  };
  return losses;
}

void list_fields(ConfigFields& fields, PairLossConfig& c) {
  fields.add("dpo.loss", c.name, alternatives(pair_losses()));
  fields.add("dpo.beta", c.beta, "how strongly the policy is held to the reference (KL weight)");
  fields.add("dpo.label_smoothing", c.label_smoothing,
             "fraction of pairs assumed to be labelled the wrong way round");
}

const PairLoss& pair_loss_of(const PairLossConfig& c) {
  const std::vector<PairLoss>& losses = pair_losses();
  const auto loss = std::ranges::find(losses, c.name, &PairLoss::name);
  MINILLM_CHECK_USAGE(loss != losses.end(), "config: dpo.loss: expected {}, got \"{}\"",
                      alternatives(losses), c.name);
  MINILLM_CHECK_USAGE(c.beta > 0, "config: dpo.beta: expected a number over 0, got {}", c.beta);
  MINILLM_CHECK_USAGE(c.label_smoothing >= 0 && c.label_smoothing < 0.5,
                      "config: dpo.label_smoothing: expected 0 to below 0.5, got {}",
                      c.label_smoothing);
  for (const std::string& key : keys_that_are_set(c)) {
    const auto takes = [&](const PairLoss& entry) {
      return key == "dpo.loss" || std::ranges::count(entry.keys, key) > 0;
    };
    MINILLM_CHECK_USAGE(takes(*loss), "config: {}: it applies to dpo.loss = {} only", key,
                        alternatives(losses, takes));
  }
  return *loss;
}

}  // namespace minillm
