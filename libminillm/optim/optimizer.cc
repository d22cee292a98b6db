#include "libminillm/optim/optimizer.h"

#include <algorithm>

#include "libminillm/optim/grad_norm.h"

namespace minillm {

OptimizerRanges optimizer_ranges(const TensorTable& table, bool muon) {
  const ElementRange all = {0, table.size()};
  if (!muon) return {.adamw = {all}, .muon = {}};
  OptimizerRanges ranges;
  ranges.muon = table.ranges_of(TensorRole::kBlockMatrix);
  Index end = 0;
  for (const ElementRange& matrix : ranges.muon) {
    if (matrix.begin > end) ranges.adamw.push_back({end, matrix.begin});
    end = matrix.end;
  }
  if (all.end > end) ranges.adamw.push_back({end, all.end});
  return ranges;
}

std::vector<ElementRange> optimizer_parts(const TensorTable& table, bool muon) {
  std::vector<ElementRange> parts;
  const std::vector<ElementRange> whole = optimizer_ranges(table, muon).muon;
  Index begin = 0;
  for (Index p = 0; p < kNormParts; ++p) {
    Index end = norm_part(p, table.size()).end;
    for (const ElementRange& matrix : whole)
      if (matrix.begin < end && end < matrix.end) end = matrix.end;
    // Empty where the matrix before it reaches further: left out, so that every rank has its turn.
    if (!muon || end > begin) parts.push_back({begin, end});
    begin = std::max(begin, end);
  }
  return parts;
}

Optimizer::Optimizer(const TensorTable& table, const OptimizerConfig& config,
                     std::span<const ElementRange> frozen, std::span<const ElementRange> own)
    : ranges_(optimizer_ranges(table, config.muon.has_value())),
      adamw_(table, config.adamw, frozen, common_ranges(own, ranges_.adamw)) {
  if (config.muon) muon_.emplace(table, *config.muon, frozen, own);
}

void Optimizer::update(std::span<Real> parameters, std::span<const Real> gradients,
                       double gradient_scale, double learning_rate, Index step) {
  adamw_.update(parameters, gradients, gradient_scale, learning_rate, step);
  if (muon_) muon_->update(parameters, gradients, gradient_scale, learning_rate);
}

}  // namespace minillm
