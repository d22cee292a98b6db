#include "libminillm/ops/log_prob.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/multiversion.h"
#include "libminillm/ops/elementary.h"
#include "libminillm/ops/loops.h"

namespace minillm {
namespace {

MINILLM_MULTIVERSION
Real log_of_sum(const Real* z, Index size) {
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

// Calls body(begin, end) for targets [begin, end) in chunks as large as the scratch.
template <typename Body>
void for_chunks(Index begin, Index end, Index chunk, Body&& body) {
  for (; begin < end; begin += chunk) body(begin, std::min(begin + chunk, end));
}

}  // namespace

// max + log sum_v exp(z_v - max): subtracting the maximum changes nothing but exp's range.
Real log_sum_exp(const Real* z, Index size) { return log_of_sum(z, size); }

bool HeadPass::next() {
  const Index M = static_cast<Index>(head_.targets.size()), room = head_.scratch.logits.rows;
  if (head_.dhidden.data != nullptr && begin_ < end_) {
    const bool there = end_ - begin_ <= room;  // forward's logits, of one chunk
    for_chunks(begin_, end_, room, [&](Index begin, Index end) {
      backward(begin, end, there ? head_.scratch.logits.row_block(0, end - begin) : View());
    });
  }
  begin_ = end_;
  if (begin_ == M) return false;
  end_ = end_of_groups();
  for_chunks(begin_, end_, room, [&](Index begin, Index end) { forward(begin, end); });
  return true;
}

// As many targets from begin_ on as fit into the scratch in whole groups; at least one group.
Index HeadPass::end_of_groups() const {
  const Index M = static_cast<Index>(head_.targets.size());
  const Index room = std::min(begin_ + head_.scratch.logits.rows, M);
  if (group_ends_.empty() || room >= group_ends_.back()) return room;
  const auto beyond = std::upper_bound(group_ends_.begin(), group_ends_.end(), room);
  const bool fits = beyond != group_ends_.begin() && *(beyond - 1) > begin_;
  return fits ? *(beyond - 1) : *beyond;
}

// Gathers the targets' hidden rows, then one product: logits of targets [begin, end).
View HeadPass::logits(Index begin, Index end) const {
  const View gathered = head_.scratch.hidden.row_block(0, end - begin);
  for_rows(gathered.rows, gathered.cols, [&](Index m) {
    std::copy_n(head_.hidden.row(head_.targets[begin + m].row), gathered.cols, gathered.row(m));
  });
  parallel_scale(gathered, head_.scale);
  const View z = head_.scratch.logits.row_block(0, end - begin);
  linear_forward(z, gathered, head_.weight);
  replace_logits(z, gathered, row_of(begin), head_.token_rows);
  return z;
}

void HeadPass::forward(Index begin, Index end) const {
  const View z = logits(begin, end);
  for_rows(z.rows, z.cols, [&](Index r) {
    const Index m = begin + r;
    const Real* row = z.row(r);
    head_.lse[m] = log_sum_exp(row, z.cols);
    head_.logp[m] = row[head_.targets[m].token] - head_.lse[m];
  });
}

//   dh += s dz W        dW += dz^T (s h)
//
// `z` are the logits if they are still there. A row may have several targets (a prompt shared by
// two answers), so the scatter divides columns among the threads, not rows.
void HeadPass::backward(Index begin, Index end, View z) const {
  const auto none = [](Real x) { return x == 0; };
  if (std::all_of(&head_.dlogp[begin], &head_.dlogp[begin] + (end - begin), none)) return;
  if (z.data == nullptr) z = logits(begin, end);
  for_rows(z.rows, z.cols, [&](Index r) {
    const Index m = begin + r;
    logits_backward(z.row(r), z.cols, head_.lse[m], head_.targets[m].token, head_.dlogp[m]);
  });

  const View dgathered = head_.scratch.dhidden.row_block(0, z.rows);
  const View gathered = head_.scratch.hidden.row_block(0, z.rows);
  linear_backward(dgathered, head_.dweight, z, gathered, head_.weight);
  replace_logits_backward(dgathered, z, gathered, head_.weight, row_of(begin), head_.token_rows);
  parallel_scale(dgathered, head_.scale);
  for_column_blocks(head_.dhidden.cols, [&](Index c0, Index c1) {
    for (Index m = begin; m < end; ++m) {
      Real* to = head_.dhidden.row(head_.targets[m].row);
      const Real* from = dgathered.row(m - begin);
      for (Index c = c0; c < c1; ++c) to[c] += from[c];
    }
  });
}

}  // namespace minillm
