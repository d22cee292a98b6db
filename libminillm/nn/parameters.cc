#include "libminillm/nn/parameters.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

ConstView& matrix_of(StoredMatrix& stored) { return stored.matrix; }
template <typename T>
BasicView<T>& matrix_of(BasicView<T>& view) {
  return view;
}
StoredMatrix* stored(StoredMatrix& matrix) { return &matrix; }
template <typename T>
StoredMatrix* stored(BasicView<T>&) {
  return nullptr;
}

// Takes the tensor's numbers from where `next` is on; those of a fused matrix follow the rows that
// are there.
template <typename T>
void extend(BasicView<T>& view, T*& next, const std::vector<Index>& shape, TensorKind kind) {
  const bool column = kind == TensorKind::kBias;  // a number for each row of a matrix
  const Index cols = column ? 1 : shape.back();
  const Index rows = column || shape.size() > 1 ? shape.front() : 1;
  if (view.data == nullptr) view = BasicView<T>(next, 0, cols);
  MINILLM_DCHECK(view.cols == cols && view.row(view.rows) == next);
  view.rows += rows;
  next += rows * cols;
}

// Takes a narrow matrix from where `next` is on; false where it is Real.
bool extend_narrow(StoredMatrix& matrix, NarrowWeights& next, const std::vector<Index>& shape,
                   TensorKind kind) {
  if (next.halves != nullptr) {
    extend(matrix.half, next.halves, shape, kind);
  } else if (next.bytes != nullptr) {
    extend(matrix.bytes.numbers, next.bytes, shape, kind);
    extend(matrix.bytes.scales, next.scales, {shape[0], int8_blocks(shape[1])}, kind);
  }
  return matrix.is_narrow();
}

template <typename T>
Parameters<T> view_all(const ModelConfig& config, T* reals, NarrowWeights narrow) {
  Parameters<T> p;
  p.blocks.resize(static_cast<size_t>(config.num_hidden_layers));
  for_each_tensor(config, [&](const auto&, const std::vector<Index>& shape, TensorKind kind,
                              const auto& member) {
    StoredMatrix* matrix = is_matrix(kind) ? stored(member(p)) : nullptr;
    if (matrix == nullptr || !extend_narrow(*matrix, narrow, shape, kind))
      extend(matrix_of(member(p)), reals, shape, kind);
  });
  if (config.has_lm_head() && config.tie_word_embeddings) p.head = p.embed;
  return p;
}

}  // namespace

TensorRole role_of(TensorKind kind) {
  if (kind == TensorKind::kEmbedding) return TensorRole::kEmbedding;
  return is_matrix(kind) ? TensorRole::kBlockMatrix : TensorRole::kOther;
}

bool is_matrix(TensorKind kind) {
  return kind == TensorKind::kEmbedding || kind == TensorKind::kMatrix ||
         kind == TensorKind::kResidualOutput;
}

TensorTable make_tensor_table(const ModelConfig& config) {
  TensorTable table;
  for_each_tensor(
      config, [&](const std::string& name, std::vector<Index> shape, TensorKind kind, const auto&) {
        const bool decay = kind != TensorKind::kGain && kind != TensorKind::kBias;
        table.add(name, std::move(shape), decay, 1, role_of(kind));
      });
  return table;
}

template <typename T>
Parameters<T> view_parameters(const ModelConfig& config, std::span<T> flat) {
  return view_all<T>(config, flat.data(), {});
}

Weights view_weights(const ModelConfig& config, std::span<const Real> reals,
                     const NarrowWeights& matrices) {
  return view_all<const Real>(config, reals.data(), matrices);
}

template Parameters<Real> view_parameters(const ModelConfig&, std::span<Real>);
template Parameters<const Real> view_parameters(const ModelConfig&, std::span<const Real>);

}  // namespace minillm
