// Optimizer: what moves the parameters of a run: AdamW, or Muon for the matrices of blocks and
// AdamW for the rest.

#ifndef LIBMINILLM_OPTIM_OPTIMIZER_H_
#define LIBMINILLM_OPTIM_OPTIMIZER_H_

#include <optional>
#include <span>
#include <vector>

#include "libminillm/optim/adamw.h"
#include "libminillm/optim/muon.h"

namespace minillm {

struct OptimizerConfig {
  AdamWConfig adamw;
  std::optional<MuonConfig> muon = {};  // none: AdamW for all
};

// Which elements of a table have what: an optimizer's, on whichever rank.
struct OptimizerRanges {
  std::vector<ElementRange> adamw;  // two moments
  std::vector<ElementRange> muon;   // momentum
};
OptimizerRanges optimizer_ranges(const TensorTable& table, bool muon);
// The parts that a table is divided into, which ranks own and the norm is summed of: those of the
// norm (grad_norm.h), each cut within a matrix that Muon moves put off to the end of it. Do not
// depend on the number of ranks.
std::vector<ElementRange> optimizer_parts(const TensorTable& table, bool muon);

class Optimizer {
 public:
  // As AdamW's and Muon's. `own`: some of optimizer_parts(), or all elements.
  Optimizer(const TensorTable& table, const OptimizerConfig& config,
            std::span<const ElementRange> frozen, std::span<const ElementRange> own);
  Optimizer(const TensorTable& table, const OptimizerConfig& config,
            std::span<const ElementRange> frozen = {})
      : Optimizer(table, config, frozen, std::vector{ElementRange{0, table.size()}}) {}

  // As AdamW::update.
  void update(std::span<Real> parameters, std::span<const Real> gradients, double gradient_scale,
              double learning_rate, Index step);

  // What is remembered of the own elements of ranges(), one after the other.
  std::span<Real> exp_avg() { return adamw_.exp_avg(); }
  std::span<Real> exp_avg_sq() { return adamw_.exp_avg_sq(); }
  std::span<Real> momentum() { return muon_ ? muon_->momentum() : std::span<Real>(); }
  const OptimizerRanges& ranges() const { return ranges_; }

 private:
  OptimizerRanges ranges_;
  AdamW adamw_;
  std::optional<Muon> muon_;
};

}  // namespace minillm

#endif  // LIBMINILLM_OPTIM_OPTIMIZER_H_
