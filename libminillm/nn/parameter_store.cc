#include "libminillm/nn/parameter_store.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

Index size_of_number(Storage storage) {
  return storage == Storage::kInt8 ? Index{sizeof(int8_t)} : Index{sizeof(Bfloat16)};
}

}  // namespace

ParameterStore::ParameterStore(const ModelConfig& config, const TensorTable& table, Storage storage)
    : config_(config), storage_(storage) {
  Index reals = 0, narrow = 0, scales = 0;
  auto tensor = table.tensors().begin();
  for_each_tensor(config, [&](const auto&, const auto& shape, TensorKind kind, const auto&) {
    const bool is_narrow = storage != Storage::kReal && is_matrix(kind);
    Index& end = is_narrow ? narrow : reals;
    places_[tensor->offset] = {is_narrow, end, scales};
    end += (tensor++)->size;
    if (is_narrow && storage == Storage::kInt8) scales += shape[0] * int8_blocks(shape[1]);
  });
  reals_ = Arena(reals);
  words_ =
      Arena((narrow * size_of_number(storage) + Index{sizeof(Real)} - 1) / Index{sizeof(Real)});
  scales_.resize(static_cast<size_t>(scales));
}

double ParameterStore::bytes() const {
  return static_cast<double>(reals_.size() + words_.size()) * sizeof(Real) +
         static_cast<double>(scales_.size() * sizeof(float));
}

Weights ParameterStore::views() const {
  NarrowWeights narrow;
  if (storage_ == Storage::kBfloat16) narrow.halves = words_as<Bfloat16>();
  if (storage_ == Storage::kInt8) narrow.bytes = words_as<int8_t>(), narrow.scales = scales_.data();
  return view_weights(config_, reals_.span(), narrow);
}

void ParameterStore::read(const TensorInfo& tensor, Index first, std::span<Real> out) const {
  const Place& place = places_.at(tensor.offset);
  if (!place.is_narrow) {
    std::copy_n(reals_.data() + place.offset + first, out.size(), out.begin());
    return;
  }
  const Index rows = tensor.shape[0], cols = tensor.shape[1];
  StoredMatrix matrix;
  if (storage_ == Storage::kBfloat16)
    matrix.half = {words_as<Bfloat16>() + place.offset, rows, cols};
  else
    matrix.bytes = {{words_as<int8_t>() + place.offset, rows, cols},
                    {scales_.data() + place.first_scale, rows, int8_blocks(cols)}};
  const Index last = first + std::ssize(out);
  Real* to = out.data();
  for (Index at = first; at < last;) {
    const Index row = at / cols, begin = at - row * cols, end = std::min(cols, last - row * cols);
    matrix.read(row, begin, end, to);
    to += end - begin;
    at += end - begin;
  }
}

void ParameterStore::write(const TensorInfo& tensor, Index first, std::span<const Real> values) {
  const Place& place = places_.at(tensor.offset);
  if (!place.is_narrow) {
    std::ranges::copy(values, reals_.data() + place.offset + first);
    return;
  }
  if (storage_ == Storage::kBfloat16) {
    Bfloat16* to = words_as<Bfloat16>() + place.offset + first;
    for (const Real value : values) *to++ = {float_to_bfloat16(static_cast<float>(value))};
    return;
  }
  const Index cols = tensor.shape[1];
  MINILLM_DCHECK(first % cols == 0 && std::ssize(values) % cols == 0);
  int8_t* to = words_as<int8_t>() + place.offset + first;
  float* scales = scales_.data() + place.first_scale + first / cols * int8_blocks(cols);
  for (; !values.empty(); values = values.subspan(static_cast<size_t>(cols))) {
    round_to_int8(values.first(static_cast<size_t>(cols)), to, scales);
    to += cols;
    scales += int8_blocks(cols);
  }
}

}  // namespace minillm
