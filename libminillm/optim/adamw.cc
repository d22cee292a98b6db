#include "libminillm/optim/adamw.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/core/threads.h"

namespace minillm {
namespace {

constexpr Index kBlockSize = 16384;  // elements: four arrays of it fit in the L2 cache

// The factors of one update; the same for every element.
struct Factors {
  Real gradient_scale, keep;  // keep = 1 - learning rate * weight decay
  Real beta1, beta2, one_minus_beta1, one_minus_beta2;
  Real step_size, sqrt_correction2, epsilon;
};

//   m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
//   w = (1 - lr wd) w - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
MINILLM_MULTIVERSION
void update_block(Real* __restrict w, Real* __restrict m, Real* __restrict v,
                  const Real* __restrict g, Index size, const Factors& f) {
  for (Index i = 0; i < size; ++i) {
    const Real gradient = f.gradient_scale * g[i];
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * gradient;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * gradient * gradient;
    w[i] = f.keep * w[i] - f.step_size * m[i] / (std::sqrt(v[i]) / f.sqrt_correction2 + f.epsilon);
  }
}

}  // namespace

void AdamWConfig::validate() const {
  MINILLM_CHECK_USAGE(beta1 >= 0 && beta1 < 1,
                      "config: train.beta1: expected 0 <= beta1 < 1, got {}", beta1);
  MINILLM_CHECK_USAGE(beta2 >= 0 && beta2 < 1,
                      "config: train.beta2: expected 0 <= beta2 < 1, got {}", beta2);
  MINILLM_CHECK_USAGE(epsilon > 0, "config: train.epsilon: expected a number > 0, got {}", epsilon);
  MINILLM_CHECK_USAGE(weight_decay >= 0,
                      "config: train.weight_decay: expected a number >= 0, got {}", weight_decay);
  MINILLM_CHECK_USAGE(embedding_rate > 0,
                      "config: train.embedding_rate: expected a number > 0, got {}",
                      embedding_rate);
}

AdamW::AdamW(const TensorTable& table, const AdamWConfig& config,
             std::span<const ElementRange> frozen, std::span<const ElementRange> own)
    : config_(config),
      size_(table.size()),
      exp_avg_(elements_in(own)),
      exp_avg_sq_(elements_in(own)) {
  config.validate();
  for (const TensorInfo& tensor : table.tensors()) {
    const double rate =
        tensor.role == TensorRole::kEmbedding ? tensor.rate * config.embedding_rate : tensor.rate;
    const auto add = [&](Index first, Index last) {
      Index moments = 0;  // of the range
      for (const ElementRange& range : own) {
        const Index end = std::min(last, range.end);
        for (Index begin = std::max(first, range.begin); begin < end; begin += kBlockSize)
          blocks_.push_back({begin, std::min(begin + kBlockSize, end),
                             moments + begin - range.begin, tensor.decay, rate});
        moments += range.end - range.begin;
      }
    };
    Index begin = tensor.offset;
    const Index tensor_end = tensor.offset + tensor.size;
    for (const ElementRange& range : frozen) {
      if (range.end <= begin || range.begin >= tensor_end) continue;
      add(begin, range.begin);
      begin = std::min(range.end, tensor_end);
    }
    add(begin, tensor_end);
  }
}

void AdamW::update(std::span<Real> parameters, std::span<const Real> gradients,
                   double gradient_scale, double learning_rate, Index step) {
  MINILLM_DCHECK(static_cast<Index>(parameters.size()) == size_);
  MINILLM_DCHECK(gradients.size() == parameters.size() && step >= 1);
  const double correction1 = 1 - std::pow(config_.beta1, step);
  const double correction2 = 1 - std::pow(config_.beta2, step);
  const auto factors = [&](const Block& block) {
    const double rate = learning_rate * block.rate;
    return Factors{.gradient_scale = static_cast<Real>(gradient_scale),
                   .keep = static_cast<Real>(1 - (block.decay ? rate * config_.weight_decay : 0)),
                   .beta1 = static_cast<Real>(config_.beta1),
                   .beta2 = static_cast<Real>(config_.beta2),
                   .one_minus_beta1 = static_cast<Real>(1 - config_.beta1),
                   .one_minus_beta2 = static_cast<Real>(1 - config_.beta2),
                   .step_size = static_cast<Real>(rate / correction1),
                   .sqrt_correction2 = static_cast<Real>(std::sqrt(correction2)),
                   .epsilon = static_cast<Real>(config_.epsilon)};
  };

  for_parts(std::ssize(blocks_), [&](Index b) {
    const Block& block = blocks_[static_cast<size_t>(b)];
    update_block(parameters.data() + block.begin, exp_avg_.data() + block.moments,
                 exp_avg_sq_.data() + block.moments, gradients.data() + block.begin,
                 block.end - block.begin, factors(block));
  });
}

}  // namespace minillm
