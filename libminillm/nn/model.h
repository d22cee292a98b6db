// Model: embed -> L blocks -> norm -> heads, forward and backward, training and decoding with one
// forward.
//
//   model.forward(batch, ws);                        // ws.hidden(N), what every head reads
//   for (HeadPass head = model.head_pass(batch, ws, group_ends); head.next();)
//     ... an objective reads head.logp() and writes head.dlogp() ...
//   ... any other head reads ws.hidden(N) and adds to ws.dhidden(N) ...
//   model.backward(batch, ws);                       // from ws.dhidden(N) down
//
// The heart is nn/block.cc; the derivations are beside each op in ops/.

#ifndef LIBMINILLM_NN_MODEL_H_
#define LIBMINILLM_NN_MODEL_H_

#include <memory>
#include <optional>
#include <span>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"
#include "libminillm/core/token_batch.h"
#include "libminillm/nn/adapter.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/parameter_store.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/nn/pass_events.h"
#include "libminillm/nn/workspace.h"
#include "libminillm/ops/log_prob.h"  // HeadPass
#include "libminillm/ops/rope.h"      // RopeTable

namespace minillm {

class Model {
 public:
  // Allocates the parameters, all zero. Throws Error if the config is invalid. Narrow matrices
  // (kBfloat16, kInt8) can be read, and adapted, but not trained.
  explicit Model(const ModelConfig& config, Storage storage = Storage::kReal);

  // Fresh weights, a pure function of (config, seed): N(0, initializer_range), the two projections
  // that write to the residual stream scaled by 1/sqrt(2L) (GPT-2), gains one, a score head zero.
  void initialize(uint64_t seed);

  const ModelConfig& config() const { return config_; }
  const TensorTable& tensors() const { return table_; }
  // All parameters in one array; empty where the matrices are narrow. store() reads and
  // writes either.
  std::span<Real> parameters() { return parameters_.span(); }
  std::span<const Real> parameters() const { return parameters_.span(); }
  ParameterStore& store() { return parameters_; }
  const ParameterStore& store() const { return parameters_; }
  // Gradients of what is trained: all parameters, or the adapter's, in their layout; allocated
  // (zero) at the first call.
  std::span<Real> gradients();
  // Views into the two, for passes with other weights or other gradients than all of the model's.
  const Weights& weights() const { return weights_; }
  const Gradients& gradient_views();

  // From now on all passes have this adapter around the model's weights, and it is trained instead
  // of them. Null: no adapter.
  void adapt(std::shared_ptr<Adapter> adapter);
  Adapter* adapter() { return adapter_.get(); }
  const Adapter* adapter() const { return adapter_.get(); }
  Index inner_states() const { return adapter_ ? adapter_->inner_states() : 0; }
  Index virtual_tokens() const { return adapter_ ? adapter_->virtual_tokens() : 0; }
  // Positions that virtual tokens leave to a text.
  Index positions() const { return config_.max_position_embeddings - virtual_tokens(); }

  // Told of every forward and backward pass with the model's own weights and gradients from now
  // on. Null: nobody; else it must outlive the model, or the next call of this.
  void watch_passes(const PassEvents* events) { events_ = events; }

  // What the factors of matrix products are rounded to from now on; not part of a checkpoint, not
  // kInt8.
  void set_precision(Precision precision);

  // Runs the batch; the result is workspace.hidden() [N, C], the normed final state of every row.
  // Saves what backward reads if the workspace keeps all layers, and clears workspace.dhidden().
  // With a cache, prefixes are rows of the cache, and every segment's new keys and values are
  // stored after its prefix (from prefix_end on). `weights` are the model's own, or the same with
  // something around them (nn/packed_weights.h). Throws Error if a token is outside [0, V), a
  // segment outside the batch or cache, or a sequence without its adapter's virtual tokens.
  void forward(const TokenBatch& batch, Workspace& workspace, KvCache* cache = nullptr) const {
    forward(batch, workspace, weights_, cache);
  }
  void forward(const TokenBatch& batch, Workspace& workspace, const Weights& weights,
               KvCache* cache = nullptr) const;

  // log p(target.token | row) for every target: [M], in workspace memory. Call after forward, with
  // its weights.
  // Throws Error if the model has no language-model head.
  std::span<const Real> log_probs(const TokenBatch& batch, Workspace& workspace) const {
    return log_probs(batch, workspace, weights_);
  }
  std::span<const Real> log_probs(const TokenBatch& batch, Workspace& workspace,
                                  const Weights& weights) const;
  // logits [rows.size(), V] of the given rows, for sampling. Call after forward.
  void logits(View out, std::span<const Index> rows, Workspace& workspace) const {
    logits(out, rows, workspace, weights_);
  }
  void logits(View out, std::span<const Index> rows, Workspace& workspace,
              const Weights& weights) const;

  // The log-probabilities again, a few groups of targets at a time, and back: adds to
  // workspace.dhidden() and the head's gradient. dlogp begins as zero. Call after forward.
  HeadPass head_pass(const TokenBatch& batch, Workspace& workspace,
                     std::span<const Index> group_ends = {}) {
    return head_pass(batch, workspace, group_ends, gradient_views());
  }
  HeadPass head_pass(const TokenBatch& batch, Workspace& workspace,
                     std::span<const Index> group_ends, const Gradients& gradients) const;

  // The score head: score[m] of the row of target m, whose token is not looked at: [M]; and back:
  // adds to workspace.dhidden() and the head's gradient, given dscore [M]. Call after forward.
  void scores(std::span<Real> out, const TokenBatch& batch, Workspace& workspace) const;
  void scores_backward(std::span<const Real> dscore, const TokenBatch& batch,
                       Workspace& workspace) {
    scores_backward(dscore, batch, workspace, gradient_views());
  }
  void scores_backward(std::span<const Real> dscore, const TokenBatch& batch, Workspace& workspace,
                       const Gradients& gradients) const;

  // From workspace.dhidden() down to the embedding: adds to gradients(), or to the given views, of
  // which null ones are frozen. Call after forward and the heads.
  void backward(const TokenBatch& batch, Workspace& workspace) {
    backward(batch, workspace, gradient_views());
  }
  void backward(const TokenBatch& batch, Workspace& workspace, const Gradients& gradients) const;
  // The head and all below it in one, for an objective that has dloss/dlogp [M] of all targets.
  void backward(const TokenBatch& batch, std::span<const Real> dlogp, Workspace& workspace);

 private:
  Head head(const TokenBatch& batch, Workspace& workspace, const Weights& weights) const;

  ModelConfig config_;
  TensorTable table_;
  ParameterStore parameters_;
  Arena gradients_;
  RopeTable rope_;
  Weights weights_;     // views into parameters_, with the adapter around them
  Gradients dweights_;  // views into gradients_; null where an adapter is trained instead
  std::shared_ptr<Adapter> adapter_;
  std::optional<AdaptedWeights> adapted_;  // what weights_ points at
  const PassEvents* events_ = nullptr;
};

// A copy without the adapter, of the same numbers (rounded, if `storage` asks for it).
Model copy_of(const Model& model, Storage storage);

// A copy with these heads: a new score head is zero. Throws Error if a reward model is to have a
// language-model head.
Model with_heads(const Model& model, Heads heads);

}  // namespace minillm

#endif  // LIBMINILLM_NN_MODEL_H_
