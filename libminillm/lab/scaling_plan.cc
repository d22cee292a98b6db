// Which sizes are tried under which budgets, and what they cost.

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/config.h"
#include "libminillm/lab/lab_files.h"
#include "libminillm/lab/scaling.h"
#include "libminillm/pretrain/pretrain.h"

namespace minillm::lab {
namespace {

// Of a story, on which attention's small part of the operations depends (world/stories.h).
constexpr Index kStoryTokens = 72;

// Width, depth and the width of the feed-forward layer; head_dim times heads is the width.
ScalingSize make_size(std::string name, int width, int feed_forward, int layers, int head) {
  return {std::move(name),
          {fmt::format("model.hidden_size={}", width),
           fmt::format("model.intermediate_size={}", feed_forward),
           fmt::format("model.num_hidden_layers={}", layers),
           fmt::format("model.num_attention_heads={}", width / head),
           fmt::format("model.num_key_value_heads={}", width / head),
           fmt::format("model.head_dim={}", head)},
          // The narrower, the higher: pilots on the world of seed 1.
          width < 64 ? std::vector{5e-3, 1e-2, 2e-2, 4e-2} : std::vector{2.5e-3, 5e-3, 1e-2, 2e-2}};
}

}  // namespace

ScalingPlan scaling_plan(bool quick) {
  ScalingPlan plan;
  plan.sizes = {make_size("0.06M", 24, 64, 2, 8), make_size("0.15M", 48, 128, 2, 16),
                make_size("0.5M", 96, 256, 3, 32), make_size("1M", 128, 344, 4, 32)};
  plan.budgets = {{2e12, {"0.06M", "0.15M", "0.5M"}},
                  {6e12, {"0.06M", "0.15M", "0.5M", "1M"}},
                  {18e12, {"0.15M", "0.5M", "1M"}}};
  if (!quick) {
    plan.sizes.push_back(make_size("2.2M", 192, 512, 4, 32));  // the recipe's own
    plan.budgets.back().sizes.push_back("2.2M");
  }
  plan.settings = {"train.eval_every=0"};
  return plan;
}

ScalingCost scaling_cost(const ScalingPlan& plan, const ScalingSize& size, double flop) {
  PretrainConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  read_config_text(fields, lab_file("world_pretrain.toml"), "world_pretrain.toml");
  for (const std::string& setting : plan.settings) set_config_value(fields, setting);
  for (const std::string& setting : size.settings) set_config_value(fields, setting);
  ScalingCost cost;
  cost.batch_tokens = config.train.batch_tokens;
  cost.parameters = config.model.parameter_count();
  cost.flop_per_token = config.model.training_flops_per_token(kStoryTokens);
  const double step = cost.flop_per_token * static_cast<double>(config.train.batch_tokens);
  cost.steps = std::llround(flop / step);
  MINILLM_CHECK_USAGE(cost.steps >= 1,
                      "scaling: a budget of {:.3g} FLOP is less than one step of size {} ({:.3g}): "
                      "expected a larger budget or a smaller model",
                      flop, size.name, step);
  return cost;
}

}  // namespace minillm::lab
