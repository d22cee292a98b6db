// Model: embed -> L blocks -> norm -> head, forward and backward, training and decoding with one
// forward.
//
// Architecture: Touvron et al. 2023, arXiv:2302.13971 (Llama), with grouped queries (Ainslie et al.
// 2023, arXiv:2305.13245). The heart is nn/block.cc; the derivations stand beside each op in ops/.

#ifndef LIBMINILLM_NN_MODEL_H_
#define LIBMINILLM_NN_MODEL_H_

#include <span>

#include "libminillm/core/arena.h"
#include "libminillm/core/matrix.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/packed_weights.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/nn/workspace.h"
#include "libminillm/ops/log_prob.h"  // GroupedLoss
#include "libminillm/ops/rope.h"      // RopeTable

namespace minillm {

class Model {
 public:
  // Allocates the parameters, all zero. Throws Error if the config is invalid.
  explicit Model(const ModelConfig& config);

  // Fresh weights, a pure function of (config, seed): N(0, initializer_range), the two projections
  // that write to the residual stream scaled by 1/sqrt(2L) (GPT-2), gains one.
  void initialize(uint64_t seed);

  const ModelConfig& config() const { return config_; }
  const TensorTable& tensors() const { return table_; }
  std::span<Real> parameters() { return parameters_.span(); }
  std::span<const Real> parameters() const { return parameters_.span(); }
  // Gradients, in the parameters' layout; allocated (zero) at the first call.
  std::span<Real> gradients();

  // Runs the batch; the result is workspace.hidden() [N, C], the normed final state of every row.
  // Saves what backward reads if the workspace keeps all layers. With a cache, prefixes are rows of
  // the cache, and every segment's new keys and values are stored behind its prefix (at prefix_end,
  // ...). Throws Error if a token is outside [0, V), or a segment outside the batch or cache.
  // `packed` holds the weights as they are now (pack_weights); the same bits come out if their
  // precision is the model's.
  void forward(const TokenBatch& batch, Workspace& workspace, KvCache* cache = nullptr,
               const PackedWeights* packed = nullptr) const;

  // What the factors of matrix products are rounded to from now on; not part of a checkpoint, not
  // kInt8.
  void set_precision(Precision precision) { precision_ = precision; }

  // log p(target.token | row) for every target: [M], in workspace memory. Call after forward.
  std::span<const Real> log_probs(const TokenBatch& batch, Workspace& workspace) const;

  // Adds the gradient of the loss into gradients(), given dloss/dlogp [M]. Call after log_probs.
  void backward(const TokenBatch& batch, std::span<const Real> dlogp, Workspace& workspace);

  // log_probs and backward in one: the logits are computed once. Either dlogp is known before
  // (next-token prediction; the same bits as the two calls), or `loss` writes it when a group's
  // log-probabilities are there.
  std::span<const Real> log_probs_and_backward(const TokenBatch& batch, std::span<const Real> dlogp,
                                               Workspace& workspace, const GroupedLoss& loss = {});

  // logits [rows.size(), V] of the given rows. Call after forward (for sampling).
  void logits(View out, std::span<const Index> rows, Workspace& workspace,
              const PackedWeights* packed = nullptr) const;

  // The matrices, packed for many forward passes, in the model's precision or another.
  PackedWeights pack_weights() const { return pack_weights(precision_); }
  PackedWeights pack_weights(Precision precision) const;

 private:
  void check_targets(const TokenBatch& batch, const Workspace& workspace) const;
  void backward_from_hidden(const TokenBatch& batch, Workspace& workspace);

  ModelConfig config_;
  TensorTable table_;
  Arena parameters_;
  Arena gradients_;
  RopeTable rope_;
  Parameters<const Real> weights_;  // views into parameters_
  Parameters<Real> dweights_;       // views into gradients_
  Precision precision_ = Precision::kFloat;
};

}  // namespace minillm

#endif  // LIBMINILLM_NN_MODEL_H_
