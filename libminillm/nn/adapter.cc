#include "libminillm/nn/adapter.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm {
namespace {

constexpr Index kUpdates = Adapter::kUpdates;
constexpr std::array<const char*, kModules> kPaths = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
    "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
    "mlp.down_proj",    "self_attn",        "mlp"};

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
    case Module::kAttention:
      return {4, 0, C, C};
    case Module::kFfn:
      return {5, 0, C, C};
  }
  return {};
}

std::string factor_name(Module module, bool is_b) {
  if (is_parallel(module)) return is_b ? ".adapter_up.weight" : ".adapter_down.weight";
  return is_b ? ".lora_B.weight" : ".lora_A.weight";
}
bool is_factor_b(const std::string& name) {
  return name.ends_with(".lora_B.weight") || name.ends_with(".adapter_up.weight");
}

std::string describe(const AdapterShape& shape) {
  if (shape.virtual_tokens > 0)
    return fmt::format("a {} of {} virtual tokens", shape.prefix ? "prefix" : "prompt",
                       shape.virtual_tokens);
  if (shape.updates.empty()) return "empty";
  const AdapterShape::Update& first = shape.updates.front();
  return is_parallel(first.module) ? fmt::format("parallel adapters of width {}", first.rank)
                                   : fmt::format("LoRA of rank {}", first.rank);
}

Adapter::Adapter(const ModelConfig& model, AdapterShape shape)
    : model_(model), shape_(std::move(shape)) {
  for_each_adapter_tensor(model_, shape_,
                          [&](const std::string& name, Index rows, Index cols, const auto* update) {
                            const bool is_b = update != nullptr && is_factor_b(name);
                            const bool is_rows = name == kEmbedRowsName || name == kHeadRowsName;
                            table_.add(name, {rows, cols}, true, is_b ? shape_.b_rate : 1,
                                       is_rows ? TensorRole::kEmbedding : TensorRole::kOther);
                          });
  for (Index i = -shape_.virtual_tokens; i < 0; ++i) virtual_ids_.push_back(static_cast<Token>(i));
  parameters_ = Arena(table_.size());
  make_views();
}

void Adapter::make_views() {
  const Index layers = model_.num_hidden_layers;
  updates_.assign(static_cast<size_t>(layers * kUpdates), {});
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
        if (name == kPromptName) {
          if (!shape_.prefix) {
            embed_rows_ = {virtual_ids_, own, gradient};
            return;
          }
          prefixes_.clear();
          const Index width = cols / (2 * layers);
          const auto part = [&](View all, Index i) {
            return all.data == nullptr ? all : all.col_block(i * width, (i + 1) * width);
          };
          for (Index i = 0; i < 2 * layers; i += 2)
            prefixes_.push_back(
                {part(own, i), part(own, i + 1), part(gradient, i), part(gradient, i + 1)});
          return;
        }
        if (u == nullptr) {
          score_ = own, dscore_ = gradient;
          return;
        }
        const ModuleShape module = module_shape(model_, u->module);
        LowRank& update = updates_[static_cast<size_t>(u->layer * kUpdates + module.product)];
        update.relu = is_parallel(u->module);
        if (is_factor_b(name)) {
          update.parts.push_back({own, gradient, module.out_begin, static_cast<Real>(u->scale)});
          return;
        }
        if (update.a.data == nullptr)
          update.a = own, update.da = gradient;
        else
          update.a.rows += rows, update.da.rows += gradient.rows;
      });
  for (size_t i = 0; i < updates_.size(); ++i) {
    const bool first = i % kUpdates == 0;
    updates_[i].inner_begin = first ? 0 : updates_[i - 1].inner_begin + updates_[i - 1].a.rows;
    inner_states_ = std::max(inner_states_, updates_[i].inner_begin + updates_[i].a.rows);
  }
}

void Adapter::initialize(uint64_t seed, const Weights& base) {
  const auto is_a = [](const std::string& name) {
    return name.ends_with(".lora_A.weight") || name.ends_with(".adapter_down.weight");
  };
  constexpr uint64_t kStreams = uint64_t{1} << 32;  // beyond those of a model's tensors
  uint64_t stream = kStreams;
  for (const TensorInfo& tensor : table_.tensors()) {
    Rng rng(seed, stream++);
    const double bound = 1 / std::sqrt(static_cast<double>(tensor.shape.back()));
    for (Real& w : tensor_span(parameters(), tensor))
      w = is_a(tensor.name) ? static_cast<Real>(bound * (2 * rng.uniform() - 1)) : Real{0};
    if (tensor.name != kEmbedRowsName && tensor.name != kHeadRowsName) continue;
    const StoredMatrix table = tensor.name == kEmbedRowsName ? base.embed : base.head;
    Real* to = parameters().data() + tensor.offset;
    for (const Token token : shape_.tokens) {
      table.read_row(token, to);
      to += table.cols();
    }
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
  const size_t count = adapters.size(), layers = weights.blocks.size();
  updates_.resize(layers * kUpdates * count);
  prefixes_.resize(layers * count);
  bool any_prefix = false;
  for (size_t a = 0; a < count; ++a) {
    for (size_t i = 0; i < adapters[a]->updates().size(); ++i)
      updates_[i * count + a] = adapters[a]->updates()[i];
    for (size_t l = 0; l < adapters[a]->prefixes().size(); ++l)
      prefixes_[l * count + a] = adapters[a]->prefixes()[l];
    any_prefix |= !adapters[a]->prefixes().empty();
    embed_rows_.push_back(adapters[a]->embed_rows());
    head_rows_.push_back(adapters[a]->head_rows());
    virtual_tokens_.push_back(adapters[a]->virtual_tokens());
  }
  const LowRank* next = updates_.data();
  for (size_t l = 0; l < layers; ++l) {
    for_each_updates(weights_.blocks[l], [&](std::span<const LowRank>& updates) {
      updates = {next, count};
      next += count;
    });
    if (any_prefix) weights_.blocks[l].prefixes = std::span(prefixes_).subspan(l * count, count);
  }
  weights_.embed_rows = embed_rows_;
  weights_.head_rows = head_rows_;
  weights_.virtual_tokens = virtual_tokens_;
  if (count > 0 && adapters[0]->shape().score) weights_.score = adapters[0]->score();
}

}  // namespace minillm
