#include "libminillm/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/core/threads.h"

namespace minillm {
namespace {

constexpr double kScale = 0.2;  // root mean square of an update of AdamW

// One thread's buffers; they only grow, so a step allocates nothing once warmed up.
struct Scratch {
  Arena update;
  NewtonSchulz newton_schulz;

  void reserve(Index size, Index side) {
    if (update.size() < size) update = Arena(size);
    newton_schulz.reserve(size, side);
  }
};
thread_local Scratch t_scratch;

Index short_side(const TensorInfo& tensor) { return std::ranges::min(tensor.shape); }
Index long_side(const TensorInfo& tensor) { return std::ranges::max(tensor.shape); }

//   m = mu m + g          u = g + mu m
MINILLM_MULTIVERSION
void add_gradient(Real* __restrict u, Real* __restrict m, const Real* __restrict g, Index size,
                  Real gradient_scale, Real mu) {
  for (Index i = 0; i < size; ++i) {
    const Real gradient = gradient_scale * g[i];
    m[i] = mu * m[i] + gradient;
    u[i] = gradient + mu * m[i];
  }
}

MINILLM_MULTIVERSION
void move(Real* __restrict w, const Real* __restrict direction, Index size, Real keep, Real step) {
  for (Index i = 0; i < size; ++i) w[i] = keep * w[i] - step * direction[i];
}

}  // namespace

void MuonConfig::validate() const {
  MINILLM_CHECK_USAGE(momentum >= 0 && momentum < 1,
                      "config: train.momentum: expected 0 <= momentum < 1, got {}", momentum);
  MINILLM_CHECK_USAGE(weight_decay >= 0,
                      "config: train.weight_decay: expected a number >= 0, got {}", weight_decay);
}

Muon::Muon(const TensorTable& table, const MuonConfig& config, std::span<const ElementRange> frozen,
           std::span<const ElementRange> own)
    : config_(config) {
  config.validate();
  Index size = 0;
  for (const TensorInfo& tensor : table.tensors()) {
    if (tensor.role != TensorRole::kBlockMatrix) continue;
    const ElementRange whole[] = {{tensor.offset, tensor.offset + tensor.size}};
    const auto lies_in = [&](std::span<const ElementRange> ranges, const char* what) {
      const Index inside = elements_in(common_ranges(whole, ranges));
      MINILLM_CHECK(inside == 0 || inside == tensor.size,
                    "optimizer: {} of the {} elements of '{}' are {}: expected all or none, as "
                    "Muon moves a matrix as a whole",
                    inside, tensor.size, tensor.name, what);
      return inside > 0;
    };
    if (!lies_in(own, "this rank's")) continue;
    if (!lies_in(frozen, "frozen")) blocks_.push_back({tensor, size});
    size += tensor.size;
  }
  momentum_ = Arena(size);
  std::ranges::stable_sort(blocks_, std::greater(), [](const Block& b) { return b.tensor.size; });
}

double Muon::scratch_bytes(const TensorTable& table) {
  Index size = 0, side = 0, matrices = 0;
  for (const TensorInfo& tensor : table.tensors()) {
    if (tensor.role != TensorRole::kBlockMatrix) continue;
    size = std::max(size, tensor.size);
    side = std::max(side, short_side(tensor));
    ++matrices;
  }
  // The update, and a factor's panels, take no more than a matrix each.
  const Index threads = std::min<Index>(thread_count(), matrices);
  return static_cast<double>(threads * (2 * size + NewtonSchulz::scratch_size(size, side))) *
         sizeof(Real);
}

// A matrix is one thread's, whose products then run on it alone: matrices are many, and small.
void Muon::update(std::span<Real> parameters, std::span<const Real> gradients,
                  double gradient_scale, double learning_rate) {
  if (blocks_.empty()) return;
  Index size = 0, side = 0;
  for (const Block& block : blocks_) {
    size = std::max(size, block.tensor.size);
    side = std::max(side, short_side(block.tensor));
  }
  for_parts(std::ssize(blocks_), [&](Index b) {
    const Block& block = blocks_[static_cast<size_t>(b)];
    const TensorInfo& tensor = block.tensor;
    Scratch& scratch = t_scratch;
    scratch.reserve(size, side);
    Real* const u = scratch.update.data();
    add_gradient(u, momentum_.data() + block.momentum, gradients.data() + tensor.offset,
                 tensor.size, static_cast<Real>(gradient_scale),
                 static_cast<Real>(config_.momentum));
    scratch.newton_schulz.run({u, tensor.shape[0], tensor.shape[1]}, config_.precision);
    const double rate = learning_rate * tensor.rate;
    const double step = rate * kScale * std::sqrt(static_cast<double>(long_side(tensor)));
    move(parameters.data() + tensor.offset, u, tensor.size,
         static_cast<Real>(1 - (tensor.decay ? rate * config_.weight_decay : 0)),
         static_cast<Real>(step));
  });
}

}  // namespace minillm
