// The head's inputs and outputs in one place, shared by its tests.

#ifndef TESTS_OPS_LOG_PROB_CASES_H_
#define TESTS_OPS_LOG_PROB_CASES_H_

#include <algorithm>
#include <vector>

#include "libminillm/ops/log_prob.h"
#include "tests/testing/grad_check.h"

namespace minillm_testing {

using minillm::Matrix;
using minillm::Target;

struct HeadData {
  Matrix hidden, head, dhidden, dhead;
  std::vector<Target> targets;
  std::vector<Real> logp, lse, dlogp;
  Matrix scratch_hidden, scratch_dhidden, scratch_logits;

  HeadData(Index rows, Index width, Index vocab_size, std::vector<Target> targets_, Index chunk)
      : hidden(rows, width),
        head(vocab_size, width),
        dhidden(rows, width),
        dhead(vocab_size, width),
        targets(std::move(targets_)),
        logp(targets.size()),
        lse(targets.size()),
        dlogp(targets.size()),
        scratch_hidden(chunk, width),
        scratch_dhidden(chunk, width),
        scratch_logits(chunk, vocab_size) {
    std::ranges::copy(random_values(hidden.span().size(), 1), hidden.span().begin());
    std::ranges::copy(random_values(head.span().size(), 2), head.span().begin());
  }
  minillm::HeadScratch scratch() {
    return {scratch_hidden.view(), scratch_dhidden.view(), scratch_logits.view()};
  }
  // A pass that goes back, too.
  minillm::HeadPass pass(std::span<const Index> group_ends = {}) {
    return minillm::HeadPass({.hidden = hidden.view(),
                              .weight = head.view(),
                              .targets = targets,
                              .logp = logp,
                              .lse = lse,
                              .dlogp = dlogp,
                              .dhidden = dhidden.view(),
                              .dweight = dhead.view(),
                              .scratch = scratch()},
                             group_ends);
  }
  void forward() {
    minillm::HeadPass forward_only({.hidden = hidden.view(),
                                    .weight = head.view(),
                                    .targets = targets,
                                    .logp = logp,
                                    .lse = lse,
                                    .scratch = scratch()});
    forward_only.finish();
  }
  void backward(std::span<const Real> gradient) {
    minillm::HeadPass both = pass();
    std::ranges::copy(gradient, both.dlogp().begin());
    both.finish();
  }
};

// Rows without a target, with one, and with several: two answers that begin differently, and alike.
inline std::vector<Target> mixed_targets() {
  return {{0, 3, 1}, {2, 10, 1}, {2, 0, 1}, {2, 10, 1}, {5, 7, 1},
          {3, 3, 1}, {5, 1, 1},  {1, 2, 1}, {0, 9, 1}};
}

}  // namespace minillm_testing

#endif  // TESTS_OPS_LOG_PROB_CASES_H_
