#include "libminillm/nn/adapter_config.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr int64_t kMost = 65536;  // of a rank, a width, or virtual tokens
// By Module. A matrix may also be named as Hugging Face does: "q_proj".
constexpr const char* kTargets[kModules] = {"q",  "k",    "v",         "o",  "gate",
                                            "up", "down", "attention", "ffn"};
constexpr std::span kMatrices = std::span(kTargets).first(kMatrixModules);
constexpr std::span kSublayers = std::span(kTargets).subspan(kMatrixModules);

void expect_number(const char* key, double value) {
  MINILLM_CHECK_USAGE(value >= 0 && std::isfinite(value), "config: {}: expected 0 or more, got {}",
                      key, value);
}
void expect_over_zero(const char* key, double value) {
  MINILLM_CHECK_USAGE(value > 0 && std::isfinite(value),
                      "config: {}: expected a number over 0, got {}", key, value);
}

// Some of the modules from `first` on that `names` are the names of, each once, in order.
std::vector<Module> parse_targets(const char* key, const std::vector<std::string>& targets,
                                  std::span<const char* const> names, int first) {
  MINILLM_CHECK_USAGE(!targets.empty(), "config: {}: expected at least one of {}", key,
                      fmt::join(names, ", "));
  std::vector<Module> modules;
  for (const std::string& name : targets) {
    const auto found = std::ranges::find_if(names, [&](const std::string& own) {
      return name == own || (first == 0 && name == own + "_proj");
    });
    MINILLM_CHECK_USAGE(found != names.end(), "config: {}: '{}': expected one of {}", key, name,
                        fmt::join(names, ", "));
    const auto module = static_cast<Module>(first + static_cast<int>(found - names.begin()));
    MINILLM_CHECK_USAGE(std::ranges::find(modules, module) == modules.end(),
                        "config: {}: '{}' is named twice", key, name);
    modules.push_back(module);
  }
  std::ranges::sort(modules);
  return modules;
}

void add_to_every_layer(AdapterShape& shape, const ModelConfig& model,
                        const std::vector<Module>& modules, Index rank, double scale) {
  for (Index layer = 0; layer < model.num_hidden_layers; ++layer)
    for (const Module module : modules) shape.updates.push_back({layer, module, rank, scale});
}

void add_lora(AdapterShape& shape, const ModelConfig& model, const LoraConfig& c) {
  expect_in_range("lora.rank", c.rank, 1, kMost);
  expect_number("lora.alpha", c.alpha);
  expect_over_zero("lora.b_rate", c.b_rate);
  shape.rslora = c.scaling == "alpha/sqrt(r)";
  MINILLM_CHECK_USAGE(shape.rslora || c.scaling == "alpha/r",
                      "config: lora.scaling: expected \"alpha/r\" or \"alpha/sqrt(r)\", got \"{}\"",
                      c.scaling);
  shape.b_rate = c.b_rate;
  const double rank = static_cast<double>(c.rank), alpha = c.alpha > 0 ? c.alpha : rank;
  add_to_every_layer(shape, model, parse_targets("lora.targets", c.targets, kMatrices, 0), c.rank,
                     alpha / (shape.rslora ? std::sqrt(rank) : rank));
}

void add_parallel(AdapterShape& shape, const ModelConfig& model, const ParallelConfig& c) {
  expect_in_range("parallel.width", c.width, 1, kMost);
  expect_over_zero("parallel.scale", c.scale);
  add_to_every_layer(shape, model,
                     parse_targets("parallel.targets", c.targets, kSublayers, kMatrixModules),
                     c.width, c.scale);
}

void list_virtual_tokens(ConfigFields& fields, VirtualTokensConfig& c, const std::string& name,
                         const char* what) {
  fields.add(name + ".tokens", c.tokens, what);
  fields.add(name + ".text", c.text,
             "what the virtual tokens begin as; empty: tokens drawn from the vocabulary");
}

}  // namespace

bool AdapterConfig::enabled() const {
  return lora.enabled() || parallel.enabled() || virtual_tokens().enabled();
}

bool AdapterConfig::new_tokens() const {
  return (lora.enabled() && lora.new_tokens) || (parallel.enabled() && parallel.new_tokens);
}

void AdapterConfig::validate() const {
  expect_in_range("lora.rank", lora.rank, 0, kMost);
  expect_in_range("parallel.width", parallel.width, 0, kMost);
  expect_in_range("prompt.tokens", prompt.tokens, 0, kMost);
  expect_in_range("prefix.tokens", prefix.tokens, 0, kMost);
  std::vector<const char*> asked;
  if (lora.enabled()) asked.push_back("lora.rank");
  if (parallel.enabled()) asked.push_back("parallel.width");
  if (prompt.enabled()) asked.push_back("prompt.tokens");
  if (prefix.enabled()) asked.push_back("prefix.tokens");
  MINILLM_CHECK_USAGE(asked.size() <= 1, "config: {}: expected one kind of adapter, got {}",
                      fmt::join(asked, ", "), asked.size());
}

void list_fields(ConfigFields& fields, AdapterConfig& config) {
  LoraConfig& lora = config.lora;
  fields.add("lora.rank", lora.rank,
             "train an adapter of this rank and leave the model as it is; 0 = train the model");
  fields.add("lora.alpha", lora.alpha, "scale of the adapter, see lora.scaling; 0 = lora.rank");
  fields.add("lora.scaling", lora.scaling, "\"alpha/r\" or \"alpha/sqrt(r)\" (rsLoRA)");
  fields.add("lora.targets", lora.targets,
             "which matrices have updates: q, k, v, o, gate, up, down");
  fields.add("lora.new_tokens", lora.new_tokens,
             "also train the rows of the marks of a chat, where the starting point knows no chat");
  fields.add("lora.b_rate", lora.b_rate, "learning rate of the matrices B over that of A (LoRA+)");
  ParallelConfig& parallel = config.parallel;
  fields.add("parallel.width", parallel.width,
             "train adapters of this width beside the sublayers instead; 0 = none");
  fields.add("parallel.scale", parallel.scale, "what their output is multiplied by");
  fields.add("parallel.targets", parallel.targets, "which sublayers have one: attention, ffn");
  fields.add("parallel.new_tokens", parallel.new_tokens, "as lora.new_tokens");
  list_virtual_tokens(fields, config.prompt, "prompt",
                      "train the embeddings of so many virtual tokens instead; 0 = none");
  list_virtual_tokens(fields, config.prefix, "prefix",
                      "train keys and values of so many virtual tokens instead; 0 = none");
}

AdapterShape adapter_shape(const ModelConfig& model, const AdapterConfig& config) {
  AdapterShape shape;
  shape.score = model.has_score_head();
  if (const VirtualTokensConfig& tokens = config.virtual_tokens(); tokens.enabled()) {
    shape.prefix = config.prefix.enabled();
    shape.virtual_tokens = tokens.tokens;
    expect_in_range(shape.prefix ? "prefix.tokens" : "prompt.tokens", tokens.tokens, 1,
                    std::min<int64_t>(kMost, model.max_position_embeddings - 1));
  } else if (config.parallel.enabled()) {
    add_parallel(shape, model, config.parallel);
  } else {
    add_lora(shape, model, config.lora);
  }
  return shape;
}

}  // namespace minillm
