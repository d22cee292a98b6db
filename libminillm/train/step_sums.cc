#include "libminillm/train/step_sums.h"

#include <algorithm>
#include <limits>

namespace minillm {
namespace {

double nothing_of(StageSum::Kind kind) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return kind == StageSum::Kind::kSum       ? 0
         : kind == StageSum::Kind::kLargest ? -kInfinity
                                            : kInfinity;
}
double joined(StageSum::Kind kind, double a, double b) {
  return kind == StageSum::Kind::kSum       ? a + b
         : kind == StageSum::Kind::kLargest ? std::max(a, b)
                                            : std::min(a, b);
}

}  // namespace

StepSums::StepSums(std::span<const StageSum> sums) : sums_(sums) {
  for (const StageSum& sum : sums) before_.push_back(*sum.value);
}

void StepSums::add(const std::function<Contribution()>& micro_step) {
  for (const StageSum& sum : sums_) *sum.value = nothing_of(sum.kind);
  const Contribution micro = micro_step();
  added_.insert(added_.end(), {micro.loss, micro.weight, static_cast<double>(micro.tokens)});
  for (const StageSum& sum : sums_) added_.push_back(*sum.value);
}

Contribution StepSums::join(Communicator* ranks, std::span<const Index> counts) {
  const auto most = static_cast<size_t>(*std::ranges::max_element(counts));
  if (ranks != nullptr && ranks->ranks() > 1) {
    added_.resize(most * width());  // alike on all ranks
    added_ = all_gather_values(*ranks, std::span<const double>(added_));
  }
  Contribution total;
  for (size_t s = 0; s < sums_.size(); ++s) *sums_[s].value = before_[s];
  for (size_t rank = 0; rank < counts.size(); ++rank)
    for (size_t i = 0; i < static_cast<size_t>(counts[rank]); ++i) {
      const double* micro = &added_[(rank * most + i) * width()];
      total += {micro[0], micro[1], static_cast<Index>(micro[2])};
      for (size_t s = 0; s < sums_.size(); ++s)
        *sums_[s].value = joined(sums_[s].kind, *sums_[s].value, micro[3 + s]);
    }
  return total;
}

}  // namespace minillm
