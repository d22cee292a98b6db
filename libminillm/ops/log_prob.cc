#include "libminillm/ops/log_prob.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/ops/column_blocks.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {
namespace {

// logits of the chunk's targets: gathers their hidden rows, then one product.
View chunk_logits(std::span<const Target> chunk, ConstView hidden, ConstView head,
                  HeadScratch& scratch) {
  const Index rows = static_cast<Index>(chunk.size());
  const View gathered = scratch.hidden.row_block(0, rows);
#pragma omp parallel for schedule(static)
  for (Index m = 0; m < rows; ++m)
    std::copy_n(hidden.row(chunk[m].row), hidden.cols, gathered.row(m));
  const View logits = scratch.logits.row_block(0, rows);
  gemm_nt(logits, gathered, head);
  return logits;
}

}  // namespace

// lse = max + log sum_v exp(z_v - max);  subtracting the maximum keeps exp in range and changes
// nothing.
void log_prob_forward(std::span<Real> logp, std::span<Real> lse, ConstView hidden, ConstView head,
                      std::span<const Target> targets, HeadScratch scratch) {
  const Index M = static_cast<Index>(targets.size()), chunk_size = scratch.logits.rows;
  for (Index begin = 0; begin < M; begin += chunk_size) {
    const auto chunk = targets.subspan(begin, std::min(chunk_size, M - begin));
    const View logits = chunk_logits(chunk, hidden, head, scratch);
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < logits.rows; ++m) {
      const Real* z = logits.row(m);
      const Real max = max_of(z, logits.cols);
      const Real sum = lane_sum(logits.cols, [&](Index v) { return exp_fast(z[v] - max); });
      lse[begin + m] = max + std::log(sum);
      logp[begin + m] = z[chunk[m].token] - lse[begin + m];
    }
  }
}

// d logp / dz_v = [v = target] - softmax(z)_v, so
//
//   dz = dlogp (onehot(target) - softmax(z))        dh += dz W        dW += dz^T h
//
// Raising the target's log-probability pulls its logit up and pushes every logit down by its
// probability: the whole gradient of every objective, whatever dlogp it chose.
void log_prob_backward(View dhidden, View dhead, std::span<const Real> dlogp, ConstView hidden,
                       ConstView head, std::span<const Target> targets, std::span<const Real> lse,
                       HeadScratch scratch) {
  const Index M = static_cast<Index>(targets.size()), chunk_size = scratch.logits.rows;
  parallel_fill(dhidden, 0);
  for (Index begin = 0; begin < M; begin += chunk_size) {
    const auto chunk = targets.subspan(begin, std::min(chunk_size, M - begin));
    const auto g = dlogp.subspan(begin, chunk.size());
    if (std::all_of(g.begin(), g.end(), [](Real x) { return x == 0; })) continue;
    const View dz = chunk_logits(chunk, hidden, head, scratch);
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < dz.rows; ++m) {
      Real* z = dz.row(m);
      const Real row_lse = lse[begin + m], scale = -g[m];
      for (Index v = 0; v < dz.cols; ++v) z[v] = scale * exp_fast(z[v] - row_lse);
      z[chunk[m].token] += g[m];
    }
    const View gathered = scratch.hidden.row_block(0, dz.rows);
    const View dgathered = scratch.dhidden.row_block(0, dz.rows);
    gemm_nn(dgathered, dz, head);
    gemm_tn(dhead, dz, gathered, dhead);
    // A row may have several targets (a prompt shared by two answers), so the scatter divides
    // columns.
    for_column_blocks(dhidden.cols, [&](Index c0, Index c1) {
      for (Index m = 0; m < dz.rows; ++m) {
        Real* to = dhidden.row(chunk[m].row);
        const Real* from = dgathered.row(m);
        for (Index c = c0; c < c1; ++c) to[c] += from[c];
      }
    });
  }
}

}  // namespace minillm
