#include "libminillm/ops/log_prob.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"
#include "libminillm/ops/column_blocks.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {
namespace {

using Chunk = std::span<const Target>;

// logits of the chunk's targets: gathers their hidden rows, then one product.
View chunk_logits(Chunk chunk, ConstView hidden, ConstView head, const HeadScratch& scratch,
                  Precision precision) {
  const Index rows = static_cast<Index>(chunk.size());
  const View gathered = scratch.hidden.row_block(0, rows);
#pragma omp parallel for schedule(static)
  for (Index m = 0; m < rows; ++m)
    std::copy_n(hidden.row(chunk[m].row), hidden.cols, gathered.row(m));
  const View logits = scratch.logits.row_block(0, rows);
  gemm_nt(logits, gathered, head, {}, precision);
  return logits;
}

// lse = max + log sum_v exp(z_v - max);  subtracting the maximum keeps exp in range and changes
// nothing.
MINILLM_MULTIVERSION
Real log_sum_exp(const Real* z, Index size) {
  const Real max = max_of(z, size);
  return max + std::log(lane_sum(size, [&](Index v) { return exp_fast(z[v] - max); }));
}

// d logp / dz_v = [v = target] - softmax(z)_v, so
//
//   dz = dlogp (onehot(target) - softmax(z))
//
// Raising the target's log-probability pulls its logit up and pushes every logit down by its
// probability: the whole gradient of every objective, whatever dlogp it chose. In place.
MINILLM_MULTIVERSION
void logits_backward(Real* z, Index size, Real lse, Token target, Real dlogp) {
  if (dlogp == 0) {  // 0 * inf is not 0
    std::fill_n(z, size, Real{0});
    return;
  }
  for (Index v = 0; v < size; ++v) z[v] = -dlogp * exp_fast(z[v] - lse);
  z[target] += dlogp;
}

//   dh += dz W        dW += dz^T h
//
// A row may have several targets (a prompt shared by two answers), so the scatter divides columns.
void chunk_backward(View dhidden, View dhead, ConstView dz, ConstView head, Chunk chunk,
                    const HeadScratch& scratch, Precision precision) {
  const View gathered = scratch.hidden.row_block(0, dz.rows);
  const View dgathered = scratch.dhidden.row_block(0, dz.rows);
  gemm_nn(dgathered, dz, head, {}, precision);
  gemm_tn(dhead, dz, gathered, dhead, precision);
  for_column_blocks(dhidden.cols, [&](Index c0, Index c1) {
    for (Index m = 0; m < dz.rows; ++m) {
      Real* to = dhidden.row(chunk[m].row);
      const Real* from = dgathered.row(m);
      for (Index c = c0; c < c1; ++c) to[c] += from[c];
    }
  });
}

// Calls body(begin, chunk) for the targets in chunks as large as the scratch.
template <typename Body>
void for_chunks(std::span<const Target> targets, const HeadScratch& scratch, Body&& body) {
  const size_t chunk_size = static_cast<size_t>(scratch.logits.rows);
  for (size_t begin = 0; begin < targets.size(); begin += chunk_size)
    body(begin, targets.subspan(begin, std::min(chunk_size, targets.size() - begin)));
}

}  // namespace

void log_prob_forward(std::span<Real> logp, std::span<Real> lse, ConstView hidden, ConstView head,
                      std::span<const Target> targets, HeadScratch scratch, Precision precision) {
  for_chunks(targets, scratch, [&](size_t begin, Chunk chunk) {
    const View z = chunk_logits(chunk, hidden, head, scratch, precision);
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < z.rows; ++m) {
      lse[begin + m] = log_sum_exp(z.row(m), z.cols);
      logp[begin + m] = z(m, chunk[m].token) - lse[begin + m];
    }
  });
}

namespace {

// log_prob_backward without clearing dhidden.
void add_backward(View dhidden, View dhead, std::span<const Real> dlogp, ConstView hidden,
                  ConstView head, Chunk targets, std::span<const Real> lse, HeadScratch scratch,
                  Precision precision) {
  for_chunks(targets, scratch, [&](size_t begin, Chunk chunk) {
    const auto g = dlogp.subspan(begin, chunk.size());
    if (std::all_of(g.begin(), g.end(), [](Real x) { return x == 0; })) return;
    const View z = chunk_logits(chunk, hidden, head, scratch, precision);
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < z.rows; ++m)
      logits_backward(z.row(m), z.cols, lse[begin + m], chunk[m].token, g[m]);
    chunk_backward(dhidden, dhead, z, head, chunk, scratch, precision);
  });
}

// As many targets from `begin` on as fit into `chunk` in whole groups; at least one group.
size_t end_of_groups(size_t begin, size_t count, size_t chunk, std::span<const Index> ends) {
  const size_t room = std::min(begin + chunk, count);
  if (ends.empty() || static_cast<Index>(room) >= ends.back()) return room;
  const auto beyond = std::upper_bound(ends.begin(), ends.end(), static_cast<Index>(room));
  const bool fits = beyond != ends.begin() && *(beyond - 1) > static_cast<Index>(begin);
  return static_cast<size_t>(fits ? *(beyond - 1) : *beyond);
}

}  // namespace

void log_prob_backward(View dhidden, View dhead, std::span<const Real> dlogp, ConstView hidden,
                       ConstView head, std::span<const Target> targets, std::span<const Real> lse,
                       HeadScratch scratch, Precision precision) {
  parallel_fill(dhidden, 0);
  add_backward(dhidden, dhead, dlogp, hidden, head, targets, lse, scratch, precision);
}

void log_prob_forward_backward(std::span<Real> logp, std::span<Real> lse, View dhidden, View dhead,
                               std::span<const Real> dlogp, ConstView hidden, ConstView head,
                               std::span<const Target> targets, HeadScratch scratch,
                               Precision precision, const GroupedLoss& loss) {
  parallel_fill(dhidden, 0);
  const size_t room = static_cast<size_t>(scratch.logits.rows);
  for (size_t begin = 0, end = 0; begin < targets.size(); begin = end) {
    end = end_of_groups(begin, targets.size(), room, loss.ends);
    const Chunk chunk = targets.subspan(begin, end - begin);
    const auto gradient = [&] {
      if (loss.gradient) loss.gradient(logp, static_cast<Index>(begin), static_cast<Index>(end));
    };
    const auto part = [&](auto span) { return span.subspan(begin, end - begin); };
    if (chunk.size() > room) {
      log_prob_forward(part(logp), part(lse), hidden, head, chunk, scratch, precision);
      gradient();
      add_backward(dhidden, dhead, part(dlogp), hidden, head, chunk, part(lse), scratch, precision);
      continue;
    }
    const View z = chunk_logits(chunk, hidden, head, scratch, precision);
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < z.rows; ++m) {
      lse[begin + m] = log_sum_exp(z.row(m), z.cols);
      logp[begin + m] = z(m, chunk[m].token) - lse[begin + m];
    }
    gradient();
#pragma omp parallel for schedule(static)
    for (Index m = 0; m < z.rows; ++m)
      logits_backward(z.row(m), z.cols, lse[begin + m], chunk[m].token, dlogp[begin + m]);
    chunk_backward(dhidden, dhead, z, head, chunk, scratch, precision);
  }
}

}  // namespace minillm
