#include "libminillm/nn/model.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/nn/batch_check.h"
#include "libminillm/nn/block.h"
#include "libminillm/ops/embedding.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/loops.h"
#include "libminillm/ops/rmsnorm.h"
#include "libminillm/ops/score.h"

namespace minillm {
namespace {

const ModelConfig& validated(const ModelConfig& config) {
  config.validate();
  return config;
}

// Rows by the adapter of their segments, of `count` that the weights carry.
void divide_by_adapter(std::vector<LowRankPass::Rows>& rows, std::span<const Segment> segments,
                       size_t count) {
  rows.clear();
  if (count == 0) return;
  for (const Segment& s : segments) {
    if (s.adapter < 0) continue;
    const auto update = static_cast<size_t>(s.adapter);
    if (!rows.empty() && rows.back().update == update && rows.back().end == s.begin)
      rows.back().end = s.end;
    else
      rows.push_back({s.begin, s.end, update});
  }
}

// What the head multiplies hidden states by.
Real head_scale(const ModelConfig& config) {
  return static_cast<Real>(1 / config.extras.logits_scaling);
}

void number_positions(std::span<int32_t> positions, std::span<const Segment> segments) {
  for (const Segment& s : segments)
    for (Index n = s.begin; n < s.end; ++n)
      positions[n] = static_cast<int32_t>(s.prefix_length() + n - s.begin);
}

}  // namespace

Model::Model(const ModelConfig& config, Storage storage)
    : config_(validated(config)),
      table_(make_tensor_table(config)),
      parameters_(config, table_, storage),
      rope_(config.max_position_embeddings, config.head_dim, config.rope_theta,
            config.rope_scaling),
      weights_(parameters_.views()) {}

void Model::initialize(uint64_t seed) {
  MINILLM_CHECK(parameters_.storage() == Storage::kReal,
                "model: initialize: expected parameters in Real, got narrow ones");
  const double residual_scale = 1 / std::sqrt(2.0 * static_cast<double>(config_.num_hidden_layers));
  uint64_t stream = 0;  // by place in the list: stored seeds depend on it
  for_each_tensor(config_, [&](const std::string& name, const auto&, TensorKind kind, const auto&) {
    Rng rng(seed, stream++);
    const double scale =
        config_.initializer_range * (kind == TensorKind::kResidualOutput ? residual_scale : 1);
    for (Real& w : tensor_span(parameters(), *table_.find(name)))
      w = kind == TensorKind::kGain ? Real{1}
          : kind == TensorKind::kScore || kind == TensorKind::kBias
              ? Real{0}
              : static_cast<Real>(scale * rng.normal());
  });
}

std::span<Real> Model::gradients() {
  gradient_views();
  return adapter_ ? adapter_->gradients() : gradients_.span();
}

const Gradients& Model::gradient_views() {
  if (adapter_) {
    if (!adapter_->has_gradients()) {
      adapter_->gradients();
      adapt(adapter_);  // whose updates now point at them
    }
    dweights_.score = adapter_->dscore();
  } else if (gradients_.size() == 0) {
    MINILLM_CHECK(
        parameters_.storage() == Storage::kReal,
        "model: its matrices are kept in bfloat16 or int8 and cannot be trained: expected an "
        "adapter on it, or parameters in Real");
    gradients_ = Arena(table_.size());
    dweights_ = view_parameters<Real>(config_, gradients_.span());
  }
  return dweights_;
}

void Model::adapt(std::shared_ptr<Adapter> adapter) {
  const Precision precision = weights_.blocks.front().wqkv.precision;
  weights_ = parameters_.views();
  adapted_.reset();
  adapter_ = std::move(adapter);
  gradients_ = Arena();
  dweights_ = {};
  if (adapter_) {
    const Adapter* one[] = {adapter_.get()};
    weights_ = adapted_.emplace(weights_, one).weights();
    dweights_.blocks.resize(weights_.blocks.size());
  }
  set_precision(precision);
}

void Model::set_precision(Precision precision) {
  for_each_product(config_, weights_, [&](Weight& weight) { weight.precision = precision; });
}

// tokens -> embed -> L blocks -> final norm = hidden
void Model::forward(const TokenBatch& batch, Workspace& ws, const Weights& weights,
                    KvCache* cache) const {
  check_batch(batch, config_, ws, cache);
  check_adapters(batch, config_, ws, weights);
  const Index N = batch.rows(), L = config_.num_hidden_layers;
  const std::span<int32_t> positions = std::span(ws.positions).first(static_cast<size_t>(N));
  number_positions(positions, batch.segments);
  const size_t adapters = weights.blocks.front().wqkv.updates.size();
  divide_by_adapter(ws.updated, batch.segments, adapters);
  const auto reach = [&](Index part) {
    if (events_ != nullptr && &weights == &weights_) events_->before_forward(part);
  };
  Index l = 0;
  const BlockContext context{config_, rope_,      batch.segments, positions,
                             cache,   ws.updated, batch.tokens,   [&] { reach(2 * l + 1); }};

  reach(-1);
  embedding_forward(ws.block(0).x.top(N), batch.tokens, weights.embed);
  replace_embeddings(ws.block(0).x.top(N), batch.tokens, {ws.updated, weights.embed_rows});
  parallel_scale(ws.block(0).x.top(N), static_cast<Real>(config_.extras.embedding_multiplier));
  for (; l < L; ++l) {
    const size_t i = static_cast<size_t>(l);
    if (ws.mode == Workspace::Mode::kRecompute)
      parallel_copy(ws.inputs[i].view(), ws.block(l).x.top(N));
    const View out = l + 1 < L ? ws.block(l + 1).x.top(N) : ws.final_in.top(N);
    reach(2 * l);
    block_forward(out, ws.block(l), weights.blocks[i], context, l);
  }
  reach(2 * L);
  rmsnorm_forward(ws.final_out.top(N), ws.final_rstd.top(N), ws.final_in.top(N), weights.final_norm,
                  static_cast<Real>(config_.rms_norm_eps));
  if (ws.mode != Workspace::Mode::kInference) parallel_fill(ws.dhidden(N), 0);  // heads add to it
}

// Undoes forward, last to first, from the gradient that the heads have left in dhidden.
void Model::backward(const TokenBatch& batch, Workspace& ws, const Gradients& dw) const {
  check_backward(ws);
  const Index N = batch.rows(), L = config_.num_hidden_layers;
  const std::span<const int32_t> positions = std::span(ws.positions).first(static_cast<size_t>(N));
  const auto leave = [&](Index part) {
    if (events_ != nullptr && &dw == &dweights_) events_->after_backward(part);
  };
  const BlockContext again{config_, rope_,      batch.segments, positions,
                           nullptr, ws.updated, batch.tokens};
  Index l = L;
  BlockContext context = again;
  context.between_halves = [&] { leave(2 * l + 1); };

  const View dx = ws.dx.top(N);
  parallel_fill(dx, 0);  // the residual stream: rmsnorm_backward adds to it
  rmsnorm_backward(dx, dw.final_norm, ws.dhidden(N), ws.final_in.top(N), weights_.final_norm,
                   ws.final_rstd.top(N));
  while (l-- > 0) {
    const size_t i = static_cast<size_t>(l);
    if (ws.mode == Workspace::Mode::kRecompute && l + 1 < L) {  // the last one's are still there
      parallel_copy(ws.block(l).x.view(), ws.inputs[i].top(N));
      block_forward({}, ws.block(l), weights_.blocks[i], again, l);
    }
    block_backward(dx, dw.blocks[i], ws.block_gradients, ws.block(l), weights_.blocks[i], context,
                   l);
    leave(2 * l);
  }
  parallel_scale(dx, static_cast<Real>(config_.extras.embedding_multiplier));
  embedding_backward(dw.embed, dx, batch.tokens);
  replace_embeddings_backward(dx, batch.tokens, {ws.updated, weights_.embed_rows});
}

// The head, forward only.
Head Model::head(const TokenBatch& batch, Workspace& ws, const Weights& weights) const {
  check_lm_head(config_);
  check_targets(batch, config_, ws);
  const size_t M = batch.targets.size();
  return {.hidden = ws.hidden(batch.rows()),
          .weight = weights.head,
          .targets = batch.targets,
          .logp = ws.logp.span().first(M),
          .lse = ws.target_lse.span().first(M),
          .scratch = ws.head_scratch(),
          .scale = head_scale(config_),
          .token_rows = {ws.updated, weights.head_rows}};
}

std::span<const Real> Model::log_probs(const TokenBatch& batch, Workspace& ws,
                                       const Weights& weights) const {
  HeadPass pass(head(batch, ws, weights));
  pass.finish();
  return pass.logp();
}

HeadPass Model::head_pass(const TokenBatch& batch, Workspace& ws, std::span<const Index> group_ends,
                          const Gradients& dw) const {
  check_backward(ws);
  Head both = head(batch, ws, weights_);
  both.dlogp = ws.dlogp.span().first(batch.targets.size());
  std::ranges::fill(both.dlogp, Real{0});
  both.dhidden = ws.dhidden(batch.rows());
  both.dweight = dw.head;
  return HeadPass(both, group_ends);
}

void Model::backward(const TokenBatch& batch, std::span<const Real> dlogp, Workspace& ws) {
  MINILLM_CHECK(dlogp.size() == batch.targets.size(),
                "model: backward: expected {} gradients, got {}", batch.targets.size(),
                dlogp.size());
  HeadPass pass = head_pass(batch, ws);
  std::ranges::copy(dlogp, pass.dlogp().begin());
  pass.finish();
  backward(batch, ws);
}

void Model::scores(std::span<Real> out, const TokenBatch& batch, Workspace& ws) const {
  check_score_head(config_);
  check_targets(batch, config_, ws);
  score_forward(out, ws.hidden(batch.rows()), weights_.score, batch.targets);
}

void Model::scores_backward(std::span<const Real> dscore, const TokenBatch& batch, Workspace& ws,
                            const Gradients& dw) const {
  check_backward(ws);
  score_backward(ws.dhidden(batch.rows()), dw.score, dscore, ws.hidden(batch.rows()),
                 weights_.score, batch.targets);
}

void Model::logits(View out, std::span<const Index> rows, Workspace& ws,
                   const Weights& weights) const {
  check_lm_head(config_);
  const Index chunk = ws.target_hidden.rows(), count = static_cast<Index>(rows.size());
  MINILLM_DCHECK(out.rows == count && out.cols == config_.vocab_size);
  for (Index begin = 0; begin < count; begin += chunk) {
    const Index end = std::min(begin + chunk, count);
    const View gathered = ws.target_hidden.top(end - begin);
    for (Index i = begin; i < end; ++i)
      std::copy_n(ws.final_out.view().row(rows[i]), gathered.cols, gathered.row(i - begin));
    parallel_scale(gathered, head_scale(config_));
    const View z = out.row_block(begin, end);
    linear_forward(z, gathered, weights.head);
    replace_logits(z, gathered, [&](Index m) { return rows[static_cast<size_t>(begin + m)]; },
                   {ws.updated, weights.head_rows});
  }
}

namespace {

// Of the tensors that both have.
void copy_parameters(const Model& from, Model& to) {
  std::vector<Real> values;
  for (const TensorInfo& tensor : to.tensors().tensors()) {
    const TensorInfo* source = from.tensors().find(tensor.name);
    if (source == nullptr) continue;
    for_each_part(tensor, [&](Index first, Index count) {
      values.resize(static_cast<size_t>(count));
      from.store().read(*source, first, values);
      to.store().write(tensor, first, values);
    });
  }
}

}  // namespace

Model copy_of(const Model& model, Storage storage) {
  Model result(model.config(), storage);
  copy_parameters(model, result);
  return result;
}

Model with_heads(const Model& model, Heads heads) {
  ModelConfig config = model.config();
  config.heads = heads;
  if (config.has_lm_head()) check_lm_head(model.config());
  Model result(config, model.store().storage());
  copy_parameters(model, result);
  if (const Adapter* adapter = model.adapter())
    result.adapt(std::make_shared<Adapter>(with_score(*adapter, config, config.has_score_head())));
  return result;
}

}  // namespace minillm
