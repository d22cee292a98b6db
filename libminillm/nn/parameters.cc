#include "libminillm/nn/parameters.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

ConstView& matrix_of(Weight& weight) { return weight.matrix; }
template <typename T>
BasicView<T>& matrix_of(BasicView<T>& view) {
  return view;
}

}  // namespace

TensorTable make_tensor_table(const ModelConfig& config) {
  TensorTable table;
  for_each_tensor(
      config, [&](const std::string& name, std::vector<Index> shape, TensorKind kind, const auto&) {
        table.add(name, std::move(shape), kind != TensorKind::kGain && kind != TensorKind::kBias);
      });
  return table;
}

template <typename T>
Parameters<T> view_parameters(const ModelConfig& config, std::span<T> flat) {
  Parameters<T> p;
  p.blocks.resize(static_cast<size_t>(config.num_hidden_layers));
  T* next = flat.data();
  for_each_tensor(config, [&](const auto&, const std::vector<Index>& shape, TensorKind kind,
                              const auto& member) {
    const bool column = kind == TensorKind::kBias;  // a number for each row of a matrix
    const Index cols = column ? 1 : shape.back();
    const Index rows = column || shape.size() > 1 ? shape.front() : 1;
    BasicView<T>& view = matrix_of(member(p));
    if (view.data == nullptr) view = BasicView<T>(next, 0, cols);
    // The next rows of a fused matrix follow those that are there.
    MINILLM_DCHECK(view.cols == cols && view.row(view.rows) == next);
    view.rows += rows;
    next += rows * cols;
  });
  if (config.has_lm_head() && config.tie_word_embeddings) p.head = p.embed;
  MINILLM_DCHECK(next == flat.data() + flat.size());
  return p;
}

template Parameters<Real> view_parameters(const ModelConfig&, std::span<Real>);
template Parameters<const Real> view_parameters(const ModelConfig&, std::span<const Real>);

}  // namespace minillm
