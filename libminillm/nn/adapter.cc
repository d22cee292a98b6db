#include "libminillm/nn/adapter.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm {
namespace {

constexpr int kProducts = 4;  // of a block
constexpr std::array<const char*, kModules> kShortNames = {"q",    "k",  "v",   "o",
                                                           "gate", "up", "down"};
constexpr std::array<const char*, kModules> kPaths = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

bool is_a(const std::string& name) { return name.ends_with(".lora_A.weight"); }

Module parse_target(const std::string& name) {
  for (int m = 0; m < kModules; ++m)
    if (name == kShortNames[static_cast<size_t>(m)] ||
        std::string(kPaths[static_cast<size_t>(m)]).ends_with("." + name))
      return static_cast<Module>(m);
  throw Error(fmt::format("config: lora.targets: '{}': expected one of {}", name,
                          fmt::join(kShortNames, ", ")),
              ExitCode::kUsage);
}

}  // namespace

const char* path_in_block(Module module) { return kPaths[static_cast<size_t>(module)]; }

ModuleShape module_shape(const ModelConfig& c, Module module) {
  const Index C = c.hidden_size, F = c.intermediate_size;
  const Index q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  switch (module) {
    case Module::kQ:
      return {0, 0, q, C};
    case Module::kK:
      return {0, q, kv, C};
    case Module::kV:
      return {0, q + kv, kv, C};
    case Module::kO:
      return {1, 0, C, q};
    case Module::kGate:
      return {2, 0, F, C};
    case Module::kUp:
      return {2, F, F, C};
    case Module::kDown:
      return {3, 0, C, F};
  }
  return {};
}

void list_fields(ConfigFields& fields, LoraConfig& c) {
  fields.add("lora.rank", c.rank,
             "train an adapter of this rank and leave the model as it is; 0 = train the model");
  fields.add("lora.alpha", c.alpha, "scale of the adapter, see lora.scaling; 0 = lora.rank");
  fields.add("lora.scaling", c.scaling, "\"alpha/r\" or \"alpha/sqrt(r)\" (rsLoRA)");
  fields.add("lora.targets", c.targets, "which matrices have updates: q, k, v, o, gate, up, down");
  fields.add("lora.new_tokens", c.new_tokens,
             "also train the rows of the marks of a chat, where the starting point knows no chat");
  fields.add("lora.b_rate", c.b_rate, "learning rate of the matrices B over that of A (LoRA+)");
}

AdapterShape lora_shape(const ModelConfig& model, const LoraConfig& c) {
  constexpr int64_t kMaxRank = 65536;
  expect_in_range("lora.rank", c.rank, 1, kMaxRank);
  MINILLM_CHECK_USAGE(c.alpha >= 0 && std::isfinite(c.alpha),
                      "config: lora.alpha: expected 0 or more, got {}", c.alpha);
  MINILLM_CHECK_USAGE(c.b_rate > 0 && std::isfinite(c.b_rate),
                      "config: lora.b_rate: expected a number over 0, got {}", c.b_rate);
  MINILLM_CHECK_USAGE(c.scaling == "alpha/r" || c.scaling == "alpha/sqrt(r)",
                      "config: lora.scaling: expected \"alpha/r\" or \"alpha/sqrt(r)\", got \"{}\"",
                      c.scaling);
  MINILLM_CHECK_USAGE(!c.targets.empty(), "config: lora.targets: expected at least one of {}",
                      fmt::join(kShortNames, ", "));
  std::vector<Module> modules;
  for (const std::string& name : c.targets) {
    const Module module = parse_target(name);
    MINILLM_CHECK_USAGE(std::ranges::find(modules, module) == modules.end(),
                        "config: lora.targets: '{}' is named twice", name);
    modules.push_back(module);
  }
  std::ranges::sort(modules);
  const double rank = static_cast<double>(c.rank), alpha = c.alpha > 0 ? c.alpha : rank;
  AdapterShape shape;
  shape.b_rate = c.b_rate;
  shape.score = model.has_score_head();
  shape.rslora = c.scaling != "alpha/r";
  for (Index layer = 0; layer < model.num_hidden_layers; ++layer)
    for (const Module module : modules)
      shape.updates.push_back(
          {layer, module, c.rank, alpha / (c.scaling == "alpha/r" ? rank : std::sqrt(rank))});
  return shape;
}

Adapter::Adapter(const ModelConfig& model, AdapterShape shape)
    : model_(model), shape_(std::move(shape)) {
  for_each_adapter_tensor(model_, shape_,
                          [&](const std::string& name, Index rows, Index cols, const auto* update) {
                            const bool is_b = update != nullptr && !is_a(name);
                            table_.add(name, {rows, cols}, true, is_b ? shape_.b_rate : 1);
                          });
  parameters_ = Arena(table_.size());
  make_views();
}

void Adapter::make_views() {
  updates_.assign(static_cast<size_t>(model_.num_hidden_layers * kProducts), {});
  const auto view = [](Arena& arena, Index offset, Index rows, Index cols) {
    return arena.size() == 0 ? View() : View(arena.data() + offset, rows, cols);
  };
  Index offset = 0;
  for_each_adapter_tensor(
      model_, shape_,
      [&](const std::string& name, Index rows, Index cols, const AdapterShape::Update* u) {
        const View own = view(parameters_, offset, rows, cols);
        const View gradient = view(gradients_, offset, rows, cols);
        offset += rows * cols;
        if (name == kEmbedRowsName) {
          embed_rows_ = head_rows_ = {shape_.tokens, own, gradient};
          return;
        }
        if (name == kHeadRowsName) {
          head_rows_ = {shape_.tokens, own, gradient};
          return;
        }
        if (u == nullptr) {
          score_ = own, dscore_ = gradient;
          return;
        }
        const ModuleShape module = module_shape(model_, u->module);
        LowRank& update = updates_[static_cast<size_t>(u->layer * kProducts + module.product)];
        if (!is_a(name)) {
          update.parts.push_back({own, gradient, module.out_begin, static_cast<Real>(u->scale)});
          return;
        }
        if (update.a.data == nullptr)
          update.a = own, update.da = gradient;
        else
          update.a.rows += rows, update.da.rows += gradient.rows;
      });
  for (size_t i = 0; i < updates_.size(); ++i) {
    const bool first = i % kProducts == 0;
    updates_[i].inner_begin = first ? 0 : updates_[i - 1].inner_begin + updates_[i - 1].a.rows;
    inner_states_ = std::max(inner_states_, updates_[i].inner_begin + updates_[i].a.rows);
  }
}

void Adapter::initialize(uint64_t seed, const Weights& base) {
  constexpr uint64_t kStreams = uint64_t{1} << 32;  // beyond those of a model's tensors
  uint64_t stream = kStreams;
  for (const TensorInfo& tensor : table_.tensors()) {
    Rng rng(seed, stream++);
    const double bound = 1 / std::sqrt(static_cast<double>(tensor.shape.back()));
    for (Real& w : tensor_span(parameters(), tensor))
      w = is_a(tensor.name) ? static_cast<Real>(bound * (2 * rng.uniform() - 1)) : Real{0};
    if (tensor.name != kEmbedRowsName && tensor.name != kHeadRowsName) continue;
    const ConstView table = tensor.name == kEmbedRowsName ? base.embed : base.head.matrix;
    Real* to = parameters().data() + tensor.offset;
    for (const Token token : shape_.tokens) to = std::copy_n(table.row(token), table.cols, to);
  }
}

std::span<Real> Adapter::gradients() {
  if (gradients_.size() == 0) {
    gradients_ = Arena(table_.size());
    make_views();
  }
  return gradients_.span();
}

Adapter with_score(const Adapter& adapter, const ModelConfig& model, bool score) {
  AdapterShape shape = adapter.shape();
  shape.score = score;
  Adapter result(model, shape);
  for (const TensorInfo& tensor : result.tensors().tensors())
    if (const TensorInfo* from = adapter.tensors().find(tensor.name))
      std::ranges::copy(tensor_span(adapter.parameters(), *from),
                        tensor_span(result.parameters(), tensor).begin());
  result.base_path = adapter.base_path, result.base_hash = adapter.base_hash;
  return result;
}

AdaptedWeights::AdaptedWeights(const Weights& weights, std::span<const Adapter* const> adapters)
    : weights_(weights) {
  const size_t count = adapters.size();
  updates_.resize(weights.blocks.size() * kProducts * count);
  for (size_t a = 0; a < count; ++a)
    for (size_t i = 0; i < adapters[a]->updates().size(); ++i)
      updates_[i * count + a] = adapters[a]->updates()[i];
  auto next = updates_.begin();
  for (auto& block : weights_.blocks)
    for (Weight* weight : {&block.wqkv, &block.wo, &block.w_gate_up, &block.w_down}) {
      weight->updates = {next, next + static_cast<std::ptrdiff_t>(count)};
      next += static_cast<std::ptrdiff_t>(count);
    }
  for (const Adapter* adapter : adapters) {
    embed_rows_.push_back(adapter->embed_rows());
    head_rows_.push_back(adapter->head_rows());
  }
  weights_.embed_rows = embed_rows_;
  weights_.head_rows = head_rows_;
  if (count > 0 && adapters[0]->shape().score) weights_.score = adapters[0]->score();
}

}  // namespace minillm
