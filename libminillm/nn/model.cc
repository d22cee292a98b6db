#include "libminillm/nn/model.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/nn/block.h"
#include "libminillm/ops/column_blocks.h"
#include "libminillm/ops/embedding.h"
#include "libminillm/ops/linear.h"
#include "libminillm/ops/log_prob.h"
#include "libminillm/ops/rmsnorm.h"

namespace minillm {
namespace {

const ModelConfig& validated(const ModelConfig& config) {
  config.validate();
  return config;
}

// While training, a prefix is the beginning of an earlier plain segment: its positions count from
// 0, and attention_backward finds its owner.
bool begins_plain_segment(std::span<const Segment> segments, const Segment& s) {
  return std::any_of(segments.begin(), segments.end(), [&](const Segment& owner) {
    return owner.begin == s.prefix_begin && s.prefix_end <= owner.end &&
           owner.prefix_length() == 0 && owner.end <= s.begin;
  });
}

// Everything a caller can get wrong about a batch, before a kernel reads it.
void check_batch(const TokenBatch& batch, const ModelConfig& config, const Workspace& workspace,
                 const KvCache* cache) {
  MINILLM_CHECK(batch.rows() <= workspace.max_rows(),
                "model: batch of {} rows: workspace has room for {}", batch.rows(),
                workspace.max_rows());
  for (const Token token : batch.tokens)
    MINILLM_CHECK(0 <= token && token < config.vocab_size, "model: token id {}: expected 0 to {}",
                  token, config.vocab_size - 1);
  Index covered = 0;
  for (const Segment& s : batch.segments) {
    MINILLM_CHECK(s.begin == covered && s.end > s.begin,
                  "model: segment [{}, {}): expected it to begin at row {}", s.begin, s.end,
                  covered);
    covered = s.end;
    const Index length = s.prefix_length() + s.length();
    MINILLM_CHECK(length <= config.max_position_embeddings,
                  "model: sequence of {} tokens: expected at most max_position_embeddings = {}",
                  length, config.max_position_embeddings);
    const bool in_order = 0 <= s.prefix_begin && s.prefix_begin <= s.prefix_end;
    const Index room = cache != nullptr ? cache->rows() - s.length() : s.begin;
    MINILLM_CHECK(in_order && s.prefix_end <= room,
                  "model: prefix [{}, {}): expected it within the first {} rows", s.prefix_begin,
                  s.prefix_end, room);
    MINILLM_CHECK(
        cache != nullptr || s.prefix_length() == 0 || begins_plain_segment(batch.segments, s),
        "model: prefix [{}, {}): expected the first rows of an earlier segment that has no prefix "
        "itself",
        s.prefix_begin, s.prefix_end);
  }
  MINILLM_CHECK(covered == batch.rows(), "model: segments cover {} rows: expected all {}", covered,
                batch.rows());
}

void check_backward(const TokenBatch& batch, std::span<const Real> dlogp, const Workspace& ws) {
  MINILLM_CHECK(ws.mode() != Workspace::Mode::kInference,
                "model: backward needs a training workspace");
  MINILLM_CHECK(dlogp.size() == batch.targets.size(),
                "model: backward: expected {} gradients, got {}", batch.targets.size(),
                dlogp.size());
}

void number_positions(std::span<int32_t> positions, std::span<const Segment> segments) {
  for (const Segment& s : segments)
    for (Index n = s.begin; n < s.end; ++n)
      positions[n] = static_cast<int32_t>(s.prefix_length() + n - s.begin);
}

}  // namespace

Model::Model(const ModelConfig& config)
    : config_(validated(config)),
      table_(make_tensor_table(config)),
      parameters_(table_.size()),
      rope_(config.max_position_embeddings, config.head_dim, config.rope_theta,
            config.rope_scaling),
      weights_(view_parameters<const Real>(config, parameters_.span())) {}

void Model::initialize(uint64_t seed) {
  const double residual_scale = 1 / std::sqrt(2.0 * static_cast<double>(config_.num_hidden_layers));
  uint64_t stream = 0;
  for_each_tensor(
      config_, [&](const std::string& name, const std::vector<Index>&, TensorKind kind) {
        Rng rng(seed, stream++);
        const double scale =
            config_.initializer_range * (kind == TensorKind::kResidualOutput ? residual_scale : 1);
        for (Real& w : tensor_span(parameters(), *table_.find(name)))
          w = kind == TensorKind::kGain ? Real{1} : static_cast<Real>(scale * rng.normal());
      });
}

std::span<Real> Model::gradients() {
  if (gradients_.size() == 0) {
    gradients_ = Arena(table_.size());
    dweights_ = view_parameters<Real>(config_, gradients_.span());
  }
  return gradients_.span();
}

// tokens -> embed -> L blocks -> final norm = hidden
void Model::forward(const TokenBatch& batch, Workspace& ws, KvCache* cache,
                    const PackedWeights* packed) const {
  check_batch(batch, config_, ws, cache);
  const Index N = batch.rows(), L = config_.num_hidden_layers;
  const std::span<int32_t> positions = std::span(ws.positions_).first(static_cast<size_t>(N));
  number_positions(positions, batch.segments);
  const BlockContext context{config_, rope_, batch.segments, positions, cache, precision_, packed};

  embedding_forward(ws.block(0).x.top(N), batch.tokens, weights_.embed);
  for (Index l = 0; l < L; ++l) {
    if (ws.mode() == Workspace::Mode::kRecompute)
      parallel_copy(ws.inputs_[static_cast<size_t>(l)].view(), ws.block(l).x.top(N));
    const View out = l + 1 < L ? ws.block(l + 1).x.top(N) : ws.final_in_.top(N);
    block_forward(out, ws.block(l), weights_.blocks[static_cast<size_t>(l)], context, l);
  }
  rmsnorm_forward(ws.final_out_.top(N), ws.final_rstd_.top(N), ws.final_in_.top(N),
                  weights_.final_norm, static_cast<Real>(config_.rms_norm_eps));
}

void Model::check_targets(const TokenBatch& batch, const Workspace& ws) const {
  MINILLM_CHECK(batch.target_count() <= ws.max_targets(),
                "model: batch of {} targets: workspace has room for {}", batch.target_count(),
                ws.max_targets());
  for (const Target& t : batch.targets)
    MINILLM_CHECK(
        0 <= t.row && t.row < batch.rows() && 0 <= t.token && t.token < config_.vocab_size,
        "model: target (row {}, token {}): expected row 0 to {}, token 0 to {}", t.row, t.token,
        batch.rows() - 1, config_.vocab_size - 1);
}

// hidden rows of the targets -> head -> log-probabilities
std::span<const Real> Model::log_probs(const TokenBatch& batch, Workspace& ws) const {
  check_targets(batch, ws);
  const size_t M = batch.targets.size();
  const std::span<Real> logp = ws.logp_.span().first(M);
  log_prob_forward(logp, ws.target_lse_.span().first(M), ws.hidden(batch.rows()), weights_.head,
                   batch.targets, {ws.target_hidden_.view(), View(), ws.logits_.view()},
                   precision_);
  return logp;
}

// Undoes log_probs and forward, last to first.
void Model::backward(const TokenBatch& batch, std::span<const Real> dlogp, Workspace& ws) {
  check_backward(batch, dlogp, ws);
  gradients();
  log_prob_backward(ws.dhidden_.top(batch.rows()), dweights_.head, dlogp, ws.hidden(batch.rows()),
                    weights_.head, batch.targets, ws.target_lse_.span().first(dlogp.size()),
                    ws.head_scratch(), precision_);
  backward_from_hidden(batch, ws);
}

std::span<const Real> Model::log_probs_and_backward(const TokenBatch& batch,
                                                    std::span<const Real> dlogp, Workspace& ws,
                                                    const GroupedLoss& loss) {
  check_targets(batch, ws);
  check_backward(batch, dlogp, ws);
  gradients();
  const std::span<Real> logp = ws.logp_.span().first(dlogp.size());
  log_prob_forward_backward(logp, ws.target_lse_.span().first(dlogp.size()),
                            ws.dhidden_.top(batch.rows()), dweights_.head, dlogp,
                            ws.hidden(batch.rows()), weights_.head, batch.targets,
                            ws.head_scratch(), precision_, loss);
  backward_from_hidden(batch, ws);
  return logp;
}

void Model::backward_from_hidden(const TokenBatch& batch, Workspace& ws) {
  const Index N = batch.rows(), L = config_.num_hidden_layers;
  const BlockContext context{config_,        rope_,
                             batch.segments, std::span(ws.positions_).first(static_cast<size_t>(N)),
                             nullptr,        precision_};
  const View dx = ws.dx_.top(N);
  parallel_fill(dx, 0);  // the residual stream: rmsnorm_backward adds to it
  rmsnorm_backward(dx, dweights_.final_norm, ws.dhidden_.top(N), ws.final_in_.top(N),
                   weights_.final_norm, ws.final_rstd_.top(N));
  for (Index l = L; l-- > 0;) {
    const size_t i = static_cast<size_t>(l);
    if (ws.mode() == Workspace::Mode::kRecompute && l + 1 < L) {  // the last one's are still there
      parallel_copy(ws.block(l).x.view(), ws.inputs_[i].top(N));
      block_forward({}, ws.block(l), weights_.blocks[i], context, l);
    }
    block_backward(dx, dweights_.blocks[i], ws.scratch_, ws.block(l), weights_.blocks[i], context);
  }
  embedding_backward(dweights_.embed, dx, batch.tokens);
}

void Model::logits(View out, std::span<const Index> rows, Workspace& ws,
                   const PackedWeights* packed) const {
  const Index chunk = ws.target_hidden_.rows(), count = static_cast<Index>(rows.size());
  MINILLM_DCHECK(out.rows == count && out.cols == config_.vocab_size);
  for (Index begin = 0; begin < count; begin += chunk) {
    const Index end = std::min(begin + chunk, count);
    const View gathered = ws.target_hidden_.top(end - begin);
    for (Index i = begin; i < end; ++i)
      std::copy_n(ws.final_out_.view().row(rows[i]), gathered.cols, gathered.row(i - begin));
    linear_forward(out.row_block(begin, end), gathered,
                   {weights_.head, packed != nullptr ? &packed->head : nullptr}, precision_);
  }
}

PackedWeights Model::pack_weights(Precision precision) const {
  PackedWeights packed;
  packed.blocks.resize(weights_.blocks.size());
  for (size_t l = 0; l < packed.blocks.size(); ++l) {
    const BlockParameters<const Real>& w = weights_.blocks[l];
    packed.blocks[l].wqkv.pack_nt(w.wqkv, precision);
    packed.blocks[l].wo.pack_nt(w.wo, precision);
    packed.blocks[l].w_gate_up.pack_nt(w.w_gate_up, precision);
    packed.blocks[l].w_down.pack_nt(w.w_down, precision);
  }
  packed.head.pack_nt(weights_.head, precision);
  return packed;
}

}  // namespace minillm
