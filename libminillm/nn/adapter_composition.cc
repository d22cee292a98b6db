#include "libminillm/nn/adapter_composition.h"

#include <algorithm>
#include <vector>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// An update of one of the adapters.
struct Source {
  const Adapter* adapter;
  const AdapterShape::Update* update;
};

// Its factor in the adapter's arena.
std::span<const Real> factor(const Source& source, const std::string& name) {
  return tensor_span(source.adapter->parameters(), *source.adapter->tensors().find(name));
}

}  // namespace

Adapter composed(const ModelConfig& model, std::span<const WeightedAdapter> adapters) {
  struct Entry {
    AdapterShape::Update update;
    Source source;
  };
  std::vector<Entry> entries;
  const Adapter* scoring = nullptr;
  for (const auto& [adapter, weight] : adapters) {
    for (const AdapterShape::Update& update : adapter->shape().updates) {
      Entry entry{update, {adapter, &update}};
      entry.update.scale *= weight;
      entries.push_back(entry);
    }
    if (!adapter->shape().score) continue;
    MINILLM_CHECK(scoring == nullptr, "adapters: two have a score head: expected one at most");
    scoring = adapter;
  }
  std::ranges::stable_sort(
      entries, {}, [](const Entry& e) { return std::pair(e.update.layer, e.update.module); });
  AdapterShape shape;
  shape.score = scoring != nullptr;
  for (const Entry& entry : entries) shape.updates.push_back(entry.update);

  Adapter result(model, shape);
  auto next = result.parameters().begin();
  for_each_adapter_tensor(
      model, result.shape(),
      [&](const std::string& name, Index, Index, const AdapterShape::Update* update) {
        const std::span<const Real> from =
            update == nullptr
                ? tensor_span(scoring->parameters(), *scoring->tensors().find(name))
                : factor(
                      entries[static_cast<size_t>(update - result.shape().updates.data())].source,
                      name);
        next = std::ranges::copy(from, next).out;
      });
  result.base_path = adapters.front().adapter->base_path;
  result.base_hash = adapters.front().adapter->base_hash;
  return result;
}

// w_oi + s sum_r b_or a_ri
Model merged(const Model& model) {
  Model result(model.config());
  std::ranges::copy(model.parameters(), result.parameters().begin());
  const Adapter* adapter = model.adapter();
  if (adapter == nullptr) return result;
  for (size_t i = 0; i < adapter->updates().size(); ++i) {
    const LowRank& update = adapter->updates()[i];
    const auto& block = result.weights().blocks[i / 4];
    const ConstView matrices[] = {block.wqkv.matrix, block.wo.matrix, block.w_gate_up.matrix,
                                  block.w_down.matrix};
    const ConstView matrix = matrices[i % 4];
    Real* const data = result.parameters().data() + (matrix.data - result.parameters().data());
    std::vector<double> sum(static_cast<size_t>(matrix.rows * matrix.cols));
    Index row = 0;
    for (const LowRank::Part& part : update.parts) {
      for (Index r = 0; r < part.bt.rows; ++r, ++row)
        for (Index o = 0; o < part.bt.cols; ++o) {
          const double b = double{part.scale} * double{part.bt(r, o)};
          double* to = &sum[static_cast<size_t>((part.out_begin + o) * matrix.cols)];
          for (Index c = 0; c < matrix.cols; ++c) to[c] += b * double{update.a(row, c)};
        }
    }
    if (update.parts.empty()) continue;
    for (size_t n = 0; n < sum.size(); ++n) data[n] = static_cast<Real>(double{data[n]} + sum[n]);
  }
  if (adapter->shape().score) {
    const TensorInfo& score = *result.tensors().find("score.weight");
    std::copy_n(adapter->score().data, score.size, result.parameters().data() + score.offset);
  }
  return result;
}

}  // namespace minillm
