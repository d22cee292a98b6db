#include "libminillm/checkpoint/peft_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

// PEFT's model wraps transformers'; the second "model." of its names is LlamaForCausalLM's.
constexpr const char* kPrefix = "base_model.model.";

// Virtual tokens have no wrapper, and stand under their own name.
std::string peft_name(const std::string& name, bool wrapped) {
  if (name == kPromptName) return name;
  return (wrapped ? kPrefix : "base_model.") + name;
}

// The module that a tensor belongs to, and which of its factors it is.
struct FactorName {
  std::string module;
  bool is_b = false;
};
std::optional<FactorName> parse_factor(const std::string& name) {
  for (const Module module : {Module::kQ, Module::kAttention})
    for (const bool is_b : {false, true}) {
      const std::string end = factor_name(module, is_b);
      if (name.ends_with(end)) return FactorName{name.substr(0, name.size() - end.size()), is_b};
    }
  return std::nullopt;
}

// Which updates the tensors are of, with ranks as their shapes have them.
AdapterShape shape_of(const TensorFiles& files, const PeftConfig& config, const ModelConfig& model,
                      const std::string& path) {
  AdapterShape shape;
  std::set<std::string> used;
  shape.rslora = config.rslora;
  shape.tokens = config.tokens;
  shape.virtual_tokens = config.virtual_tokens;
  shape.prefix = config.method == PeftMethod::kPrefix;
  MINILLM_CHECK(config.virtual_tokens == 0 || files.tensors().contains(kPromptName),
                "'{}': tensor '{}' is missing", path, kPromptName);
  MINILLM_CHECK(shape.tokens.empty() || shape.tokens.back() < model.vocab_size,
                "'{}': trains the row of token {}: expected 0 to {}", path,
                shape.tokens.empty() ? 0 : shape.tokens.back(), model.vocab_size - 1);
  for (const auto& [name, entry] : files.tensors()) {
    if (name == "score.weight") {
      shape.score = true;
      continue;
    }
    if (name == kEmbedRowsName || name == kHeadRowsName) continue;  // of config.tokens
    if (name == kPromptName && config.virtual_tokens > 0) {
      const std::vector<Index>& found = entry.tensor->shape;
      MINILLM_CHECK(found.size() == 2 && found[0] == config.virtual_tokens,
                    "'{}': tensor '{}': expected {} rows, as {} has it", path, name,
                    config.virtual_tokens, kPeftConfigName);
      MINILLM_CHECK(config.virtual_tokens < model.max_position_embeddings,
                    "'{}': {} virtual tokens: expected fewer than the model's {} positions", path,
                    config.virtual_tokens, model.max_position_embeddings);
      continue;
    }
    MINILLM_CHECK(!name.ends_with("lora_magnitude_vector"),
                  "'{}': tensor '{}' is DoRA's: expected plain LoRA", path, name);
    const std::optional<FactorName> factor = parse_factor(name);
    auto update = factor ? parse_module(factor->module, model.num_hidden_layers) : std::nullopt;
    const bool fits = update && config.virtual_tokens == 0 &&
                      is_parallel(update->module) == (config.method == PeftMethod::kParallel) &&
                      name.ends_with(factor_name(update->module, factor->is_b));
    MINILLM_CHECK(fits,
                  "'{}': tensor '{}' belongs to no matrix of this model: expected those of "
                  "{} in layers 0 to {} (is it of another base?)",
                  path, name, all_modules(), model.num_hidden_layers - 1);
    if (factor->is_b) continue;  // is checked with its A
    const Index in = module_shape(model, update->module).in;
    MINILLM_CHECK(entry.tensor->shape.size() == 2 && entry.tensor->shape[1] == in,
                  "'{}': tensor '{}': expected a matrix of {} columns", path, name, in);
    update->rank = entry.tensor->shape[0];
    const int64_t rank = by_pattern(config.rank_pattern, factor->module, config.rank);
    MINILLM_CHECK(update->rank == rank, "'{}': tensor '{}': expected {} rows, as {} has it, got {}",
                  path, name, rank, kPeftConfigName, update->rank);
    const double alpha = by_pattern(config.alpha_pattern, factor->module, config.alpha);
    update->scale =
        alpha / (config.rslora ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
    shape.updates.push_back(*update);
    for (const std::string& target : config.targets)
      if (names_end(factor->module, target)) used.insert(target);
    MINILLM_CHECK(config.targets.empty() || std::ranges::any_of(config.targets,
                                                                [&](const std::string& target) {
                                                                  return names_end(factor->module,
                                                                                   target);
                                                                }),
                  "'{}': tensor '{}' is of no module in target_modules", path, name);
  }
  for (const std::string& target : config.targets)
    MINILLM_CHECK(used.contains(target),
                  "'{}': no tensor is of '{}', which target_modules names (a model has {})", path,
                  target, all_modules());
  std::ranges::sort(shape.updates, {},
                    [](const AdapterShape::Update& u) { return std::pair(u.layer, u.module); });
  return shape;
}

// The table of the file: PEFT's layout of B.
TensorTable file_table(const TensorTable& adapter) {
  TensorTable table;
  for (const TensorInfo& tensor : adapter.tensors()) {
    std::vector<Index> shape = tensor.shape;
    if (is_factor_b(tensor.name)) std::swap(shape[0], shape[1]);
    table.add(tensor.name, shape, true);
  }
  return table;
}

void turn(std::span<Real> to, std::span<const Real> from, Index rows, Index cols) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < cols; ++c)
      to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * cols + c)];
}

}  // namespace

std::optional<AdapterShape::Update> parse_module(const std::string& name, Index layers) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  AdapterShape::Update update;
  const char* const begin = name.data() + kLayers.size();
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(begin, end, update.layer);
  if (error != std::errc() || update.layer < 0 || update.layer >= layers) return std::nullopt;
  for (int m = 0; m < kModules; ++m) {
    update.module = static_cast<Module>(m);
    if (name == module_name(update)) return update;
  }
  return std::nullopt;
}

PeftTensors::PeftTensors(const Adapter& adapter) {
  for (const TensorInfo& tensor : adapter.tensors().tensors()) {
    NamedTensor named{peft_name(tensor.name, adapter.virtual_tokens() == 0), tensor.shape,
                      tensor_span(adapter.parameters(), tensor)};
    if (is_factor_b(tensor.name)) {
      std::vector<Real>& own = turned_.emplace_back(named.values.size());
      turn(own, named.values, tensor.shape[0], tensor.shape[1]);
      named.values = own;
      std::swap(named.shape[0], named.shape[1]);
    }
    tensors.push_back(std::move(named));
  }
}

Adapter read_peft_adapter(const std::string& directory, const PeftConfig& config,
                          const ModelConfig& model) {
  const std::string path = join_path(directory, kPeftWeightsName);
  TensorFiles files = TensorFiles::open_file(path);
  files.drop_common_prefix();
  Adapter adapter(model, shape_of(files, config, model, path));
  MINILLM_CHECK(!adapter.shape().updates.empty() || adapter.virtual_tokens() > 0,
                "'{}': holds no updates", path);
  files.check(file_table(adapter.tensors()));
  std::vector<Real> turned;
  for (const TensorInfo& tensor : adapter.tensors().tensors()) {
    const std::span<Real> to = tensor_span(adapter.parameters(), tensor);
    if (!is_factor_b(tensor.name)) {
      files.read(tensor.name, to);
      continue;
    }
    turned.resize(to.size());
    files.read(tensor.name, turned);
    turn(to, turned, tensor.shape[1], tensor.shape[0]);
  }
  adapter.base_path = config.base;
  const SafetensorsFile file(path);
  if (const auto hash = file.metadata().find(kBaseHashKey); hash != file.metadata().end())
    adapter.base_hash = hash->second;
  return adapter;
}

}  // namespace minillm
