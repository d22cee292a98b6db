#include "libminillm/objectives/pair_losses.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/alternatives.h"
#include "libminillm/core/check.h"
#include "libminillm/objectives/logistic.h"

namespace minillm {
namespace {

// How far an answer has moved from its reference: its log-ratio, s_w and s_l.
double chosen_shift(const PairValues& v) { return v.chosen - v.reference_chosen; }
double rejected_shift(const PairValues& v) { return v.rejected - v.reference_rejected; }

// With h = beta (s_w - s_l):   loss = (1 - e) softplus(-h) + e softplus(h)
//                              dloss/dh = -(1 - e) sigma(-h) + e sigma(h)
PairGradient dpo(const PairValues& v, const PairLossConfig& c) {
  const double h = c.beta * (chosen_shift(v) - rejected_shift(v));
  const double keep = 1 - c.label_smoothing;
  const double dh = -keep * sigmoid(-h) + c.label_smoothing * sigmoid(h);
  return {keep * softplus(-h) + c.label_smoothing * softplus(h), c.beta * dh, -c.beta * dh};
}

// With the same h:   loss = ((1 - e) softplus(-h) - e softplus(h)) / (1 - 2 e)
//                    dloss/dh = (-(1 - e) sigma(-h) - e sigma(h)) / (1 - 2 e)
PairGradient robust(const PairValues& v, const PairLossConfig& c) {
  const double h = c.beta * (chosen_shift(v) - rejected_shift(v));
  const double e = c.label_smoothing, unbiased = 1 / (1 - 2 * e);
  const double dh = unbiased * (-(1 - e) * sigmoid(-h) - e * sigmoid(h));
  return {unbiased * ((1 - e) * softplus(-h) - e * softplus(h)), c.beta * dh, -c.beta * dh};
}

// With the same h:   loss = max(0, 1 - h): a pair with a margin of 1 pushes no more.
PairGradient hinge(const PairValues& v, const PairLossConfig& c) {
  const double h = c.beta * (chosen_shift(v) - rejected_shift(v));
  return h < 1 ? PairGradient{1 - h, -c.beta, c.beta} : PairGradient{0, 0, 0};
}

// With h = beta (s_w/n_w - s_l/n_l):   loss = softplus(-h),   dloss/dh = -sigma(-h)
PairGradient dpo_norm(const PairValues& v, const PairLossConfig& c) {
  const double h =
      c.beta * (chosen_shift(v) / v.chosen_tokens - rejected_shift(v) / v.rejected_tokens);
  const double dh = -sigmoid(-h);
  return {softplus(-h), c.beta * dh / v.chosen_tokens, -c.beta * dh / v.rejected_tokens};
}

// With h = beta (L_w/n_w - L_l/n_l) - gamma:   loss = softplus(-h),   dloss/dh = -sigma(-h)
PairGradient simpo(const PairValues& v, const PairLossConfig& c) {
  const double h = c.beta * (v.chosen / v.chosen_tokens - v.rejected / v.rejected_tokens) - c.gamma;
  const double dh = -sigmoid(-h);
  return {softplus(-h), c.beta * dh / v.chosen_tokens, -c.beta * dh / v.rejected_tokens};
}

// The log-odds log(p/(1 - p)) of a p whose logarithm is given, and the derivative by it, 1/(1 - p).
// A p of 1 has none: 1 - p counts as at least 1e-12.
struct LogOdds {
  explicit LogOdds(double log_p) {
    constexpr double kLeast = 1e-12;
    const double other = -std::expm1(log_p);  // 1 - p
    value = log_p - std::log(std::max(other, kLeast));
    derivative = other > kLeast ? 1 / other : 1;
  }
  double value, derivative;
};

// With h = log-odds(L_w/n_w) - log-odds(L_l/n_l):   loss = beta softplus(-h),
//                                                   dloss/dh = -beta sigma(-h)
PairGradient orpo(const PairValues& v, const PairLossConfig& c) {
  const LogOdds chosen(v.chosen / v.chosen_tokens), rejected(v.rejected / v.rejected_tokens);
  const double h = chosen.value - rejected.value;
  const double dh = -c.beta * sigmoid(-h);
  return {c.beta * softplus(-h), dh * chosen.derivative / v.chosen_tokens,
          -dh * rejected.derivative / v.rejected_tokens};
}

// sigma'(x) = sigma(x) sigma(-x).
double sigmoid_slope(double x) { return sigmoid(x) * sigmoid(-x); }

// loss = (1 - sigma(beta s_w)) + sigma(beta s_l)
PairGradient apo_zero(const PairValues& v, const PairLossConfig& c) {
  const double w = c.beta * chosen_shift(v), l = c.beta * rejected_shift(v);
  return {sigmoid(-w) + sigmoid(l), -c.beta * sigmoid_slope(w), c.beta * sigmoid_slope(l)};
}

// loss = sigma(beta s_w) + (1 - sigma(beta (s_w - s_l)))
PairGradient apo_down(const PairValues& v, const PairLossConfig& c) {
  const double w = c.beta * chosen_shift(v), h = w - c.beta * rejected_shift(v);
  return {sigmoid(w) + sigmoid(-h), c.beta * (sigmoid_slope(w) - sigmoid_slope(h)),
          c.beta * sigmoid_slope(h)};
}

// With d = s_w/n_w - s_l/n_l - 1/(2 beta):   loss = d^2,   its derivatives 2 d/n_w and -2 d/n_l.
PairGradient ipo(const PairValues& v, const PairLossConfig& c) {
  const double d =
      chosen_shift(v) / v.chosen_tokens - rejected_shift(v) / v.rejected_tokens - 1 / (2 * c.beta);
  return {d * d, 2 * d / v.chosen_tokens, -2 * d / v.rejected_tokens};
}

// An answer that is not there adds nothing.
PairGradient kto(const PairValues& v, const PairLossConfig& c) {
  PairGradient sum = {0, 0, 0};
  if (v.chosen_tokens > 0) {
    const double x = c.beta * (chosen_shift(v) - v.moved);
    sum.loss += c.desirable_weight * sigmoid(-x);
    sum.dchosen = -c.desirable_weight * c.beta * sigmoid_slope(x);
  }
  if (v.rejected_tokens > 0) {
    const double x = c.beta * (v.moved - rejected_shift(v));
    sum.loss += c.undesirable_weight * sigmoid(-x);
    sum.drejected = c.undesirable_weight * c.beta * sigmoid_slope(x);
  }
  return sum;
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
  // name, keys, whether it needs a reference, whether it judges single answers
  static const std::vector<PairLoss> losses = {
      {"dpo", {"dpo.beta", "dpo.label_smoothing"}, true, false, dpo},
      {"ipo", {"dpo.beta"}, true, false, ipo},
      {"robust", {"dpo.beta", "dpo.label_smoothing"}, true, false, robust},
      {"hinge", {"dpo.beta"}, true, false, hinge},
      {"dpo_norm", {"dpo.beta"}, true, false, dpo_norm},
      {"simpo", {"dpo.beta", "dpo.gamma"}, false, false, simpo},
      {"orpo", {"dpo.beta"}, false, false, orpo},
      {"apo_zero", {"dpo.beta"}, true, false, apo_zero},
      {"apo_down", {"dpo.beta"}, true, false, apo_down},
      {"kto", {"dpo.beta", "dpo.desirable_weight", "dpo.undesirable_weight"}, true, true, kto},
  };
  return losses;
}

void list_fields(ConfigFields& fields, PairLossConfig& c) {
  fields.add("dpo.loss", c.name, alternatives(pair_losses()));
  fields.add("dpo.beta", c.beta,
             "how strongly the policy is held to the reference (KL weight); the scale of a margin "
             "per token (dpo_norm, simpo: about 2); weight of the odds (orpo)");
  fields.add("dpo.label_smoothing", c.label_smoothing,
             "fraction of pairs assumed to be labelled the wrong way round");
  fields.add("dpo.desirable_weight", c.desirable_weight, "kto: weight of good answers");
  fields.add("dpo.undesirable_weight", c.undesirable_weight, "kto: weight of bad answers");
  fields.add("dpo.gamma", c.gamma, "simpo: margin per token, times dpo.beta, that is asked for");
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
  for (const auto& [key, weight] : {std::pair("desirable_weight", c.desirable_weight),
                                    std::pair("undesirable_weight", c.undesirable_weight)})
    MINILLM_CHECK_USAGE(weight >= 0, "config: dpo.{}: expected 0 or more, got {}", key, weight);
  MINILLM_CHECK_USAGE(c.gamma >= 0, "config: dpo.gamma: expected 0 or more, got {}", c.gamma);
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
