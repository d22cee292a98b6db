#include "libminillm/nn/parameter_store.h"

#include <algorithm>

namespace minillm {
namespace {

constexpr Index kPerWord = sizeof(Real) / sizeof(Bfloat16);

}  // namespace

ParameterStore::ParameterStore(const ModelConfig& config, const TensorTable& table, Storage storage)
    : config_(config), storage_(storage) {
  Index reals = 0, halves = 0;
  auto tensor = table.tensors().begin();
  for_each_tensor(config, [&](const auto&, const auto&, TensorKind kind, const auto&) {
    const bool is_half = storage == Storage::kBfloat16 && is_matrix(kind);
    Index& end = is_half ? halves : reals;
    places_[tensor->offset] = {is_half, end};
    end += (tensor++)->size;
  });
  reals_ = Arena(reals);
  words_ = Arena((halves + kPerWord - 1) / kPerWord);
}

Weights ParameterStore::views() const {
  return view_weights(config_, reals_.span(), halves(), storage_ == Storage::kBfloat16);
}

void ParameterStore::read(const TensorInfo& tensor, Index first, std::span<Real> out) const {
  const Place& place = places_.at(tensor.offset);
  if (place.is_half)
    widen(out.data(), halves() + place.offset + first, std::ssize(out));
  else
    std::copy_n(reals_.data() + place.offset + first, out.size(), out.begin());
}

void ParameterStore::write(const TensorInfo& tensor, Index first, std::span<const Real> values) {
  const Place& place = places_.at(tensor.offset);
  if (!place.is_half) {
    std::ranges::copy(values, reals_.data() + place.offset + first);
    return;
  }
  auto* to = reinterpret_cast<Bfloat16*>(words_.data()) + place.offset + first;
  for (const Real value : values) *to++ = {float_to_bfloat16(static_cast<float>(value))};
}

}  // namespace minillm
