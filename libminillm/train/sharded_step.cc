#include "libminillm/train/sharded_step.h"

#include <algorithm>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/optim/grad_norm.h"

namespace minillm {
namespace {

Index count_of(const Communicator* ranks) { return ranks == nullptr ? 1 : ranks->ranks(); }
Index number_of(const Communicator* ranks) { return ranks == nullptr ? 0 : ranks->rank(); }

// Parts of the norm that a rank's shard is made of.
Slots parts_of(Index rank, Index ranks) { return slots_of_rank(kNormParts, rank, ranks); }

// Whole parts of the norm, so that its order stays what it is.
std::vector<ElementRange> make_shards(Index size, Index ranks) {
  MINILLM_CHECK_USAGE(ranks <= kNormParts, "ranks: {} of them: expected at most {}", ranks,
                      kNormParts);
  std::vector<ElementRange> shards;
  for (Index rank = 0; rank < ranks; ++rank) {
    const Slots parts = parts_of(rank, ranks);
    shards.push_back({norm_part(parts.begin, size).begin, norm_part(parts.end - 1, size).end});
  }
  return shards;
}

std::span<Real> part_of(std::span<Real> values, ElementRange range) {
  return values.subspan(static_cast<size_t>(range.begin),
                        static_cast<size_t>(range.end - range.begin));
}

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

ShardedStep::ShardedStep(const Trainable& trainable, const AdamWConfig& config, Index slots,
                         Communicator* ranks)
    : trainable_(trainable),
      slots_(slots),
      ranks_(ranks),
      shards_(make_shards(trainable.tensors->size(), count_of(ranks))),
      shard_(shards_[static_cast<size_t>(number_of(ranks))]),
      adamw_(*trainable.tensors, config, trainable.frozen, shard_),
      gradient_sum_(trainable.gradients,
                    slots_of_rank(slots, number_of(ranks), count_of(ranks)).count()) {
  if (is_alone()) return;
  exchange_.emplace(*ranks, slots, shards_);
  for (size_t k = 1; k < exchange_->own_nodes().size(); ++k)
    nodes_.emplace_back(trainable.tensors->size());
}

// How many of a step's micro-batches each rank has.
std::vector<Index> ShardedStep::micro_batches_by_rank(Index count) const {
  std::vector<Index> counts;
  for (Index rank = 0; rank < count_of(ranks_); ++rank) {
    const Slots slots = slots_of_rank(slots_, rank, count_of(ranks_));
    counts.push_back(GradientSum::micro_batches_of(slots.end - 1, slots_, count).end -
                     GradientSum::micro_batches_of(slots.begin, slots_, count).begin);
  }
  return counts;
}

Contribution ShardedStep::add_gradients(Index count,
                                        const std::function<Contribution(Index i)>& micro_step,
                                        std::span<const StageSum> sums) {
  Contribution total;
  if (slots_ == 1) {  // everything in place
    gradient_sum_.run({0, 1}, [&](Index) {
      for (Index i = 0; i < count; ++i) total += micro_step(i);
    });
    return total;
  }
  // Of each micro-batch what it adds: loss, weight, tokens, the stage's sums.
  std::vector<double> added, before;
  for (const StageSum& sum : sums) before.push_back(*sum.value);
  const auto add_slot = [&](Index slot) {
    const Slots own = GradientSum::micro_batches_of(slot, slots_, count);
    for (Index i = own.begin; i < own.end; ++i) {
      for (const StageSum& sum : sums) *sum.value = nothing_of(sum.kind);
      const Contribution micro = micro_step(i);
      added.insert(added.end(), {micro.loss, micro.weight, static_cast<double>(micro.tokens)});
      for (const StageSum& sum : sums) added.push_back(*sum.value);
    }
  };
  if (is_alone()) {
    gradient_sum_.run({0, slots_}, add_slot);
  } else {
    const std::vector<Slots>& nodes = exchange_->own_nodes();
    std::vector<std::span<Real>> values;
    for (size_t k = 0; k < nodes.size(); ++k) {
      gradient_sum_.run(nodes[k], add_slot);
      const bool last = k + 1 == nodes.size();
      values.push_back(last ? trainable_.gradients : nodes_[k].span());
      if (!last) std::ranges::copy(trainable_.gradients, nodes_[k].span().begin());
    }
    exchange_->reduce_scatter(values);
    if (nodes.size() > 1)
      std::ranges::copy(part_of(values[0], shard_), part_of(trainable_.gradients, shard_).begin());
  }
  const size_t width = 3 + sums.size();
  const std::vector<Index> counts = micro_batches_by_rank(count);
  const auto most = static_cast<size_t>(*std::ranges::max_element(counts));
  if (!is_alone()) {
    added.resize(most * width);  // alike on all ranks
    added = all_gather_values(*ranks_, std::span<const double>(added));
  }
  for (size_t s = 0; s < sums.size(); ++s) *sums[s].value = before[s];
  for (size_t rank = 0; rank < counts.size(); ++rank)
    for (size_t i = 0; i < static_cast<size_t>(counts[rank]); ++i) {
      const double* micro = &added[(rank * most + i) * width];
      total += {micro[0], micro[1], static_cast<Index>(micro[2])};
      for (size_t s = 0; s < sums.size(); ++s)
        *sums[s].value = joined(sums[s].kind, *sums[s].value, micro[3 + s]);
    }
  return total;
}

double ShardedStep::norm() {
  if (is_alone()) return l2_norm(trainable_.gradients);
  // Of all parts, those of other ranks zero; one rank has each.
  std::vector<double> own(static_cast<size_t>(kNormParts));
  const Slots parts = parts_of(ranks_->rank(), ranks_->ranks());
  norm_parts(
      std::span(own).subspan(static_cast<size_t>(parts.begin), static_cast<size_t>(parts.count())),
      trainable_.gradients, parts.begin);
  const std::vector<double> all = all_gather_values(*ranks_, std::span<const double>(own));
  std::vector<double> sums(static_cast<size_t>(kNormParts));
  for (Index rank = 0; rank < ranks_->ranks(); ++rank) {
    const Slots theirs = parts_of(rank, ranks_->ranks());
    for (Index p = theirs.begin; p < theirs.end; ++p)
      sums[static_cast<size_t>(p)] = all[static_cast<size_t>(rank * kNormParts + p)];
  }
  return norm_of_parts(sums);
}

std::optional<Index> ShardedStep::first_non_finite_gradient() {
  std::optional<Index> bad = first_non_finite(part_of(trainable_.gradients, shard_));
  if (bad) *bad += shard_.begin;
  if (is_alone()) return bad;
  const double own[] = {bad ? static_cast<double>(*bad) : -1};
  for (const double theirs : all_gather_values(*ranks_, std::span<const double>(own)))
    if (theirs >= 0) return static_cast<Index>(theirs);
  return std::nullopt;
}

void ShardedStep::update(double gradient_scale, double learning_rate, Index step) {
  adamw_.update(trainable_.parameters, trainable_.gradients, gradient_scale, learning_rate, step);
  if (!is_alone()) exchange_->all_gather(trainable_.parameters);
}

bool ShardedStep::any(bool own) { return is_alone() ? own : minillm::any(*ranks_, own); }

ShardedStep::Moments ShardedStep::room_for_all() const {
  Moments all;
  const size_t size = trainable_.parameters.size();
  all.own.resize(2 * size);
  all.exp_avg = std::span(all.own).first(size);
  all.exp_avg_sq = std::span(all.own).subspan(size);
  return all;
}

void ShardedStep::take_shard(const Moments& all) {
  std::ranges::copy(part_of(all.exp_avg, shard_), adamw_.exp_avg().begin());
  std::ranges::copy(part_of(all.exp_avg_sq, shard_), adamw_.exp_avg_sq().begin());
}

ShardedStep::Moments ShardedStep::gather_moments() {
  if (is_alone()) return moments();
  constexpr int kTag = 3;
  const std::span<Real> own[] = {adamw_.exp_avg(), adamw_.exp_avg_sq()};
  Communicator::Messages messages;
  Moments all;
  if (is_first()) {
    all = room_for_all();
    const std::span<Real> to[] = {all.exp_avg, all.exp_avg_sq};
    for (int k = 0; k < 2; ++k) {
      std::ranges::copy(own[k], part_of(to[k], shard_).begin());
      for (size_t rank = 1; rank < shards_.size(); ++rank)
        if (shards_[rank].end > shards_[rank].begin)
          messages.push_back(
              ranks_->receive(static_cast<Index>(rank), kTag + k,
                              std::as_writable_bytes(part_of(to[k], shards_[rank]))));
    }
  } else if (shard_.end > shard_.begin) {
    for (int k = 0; k < 2; ++k)
      messages.push_back(ranks_->send(0, kTag + k, std::as_bytes(own[k])));
  }
  ranks_->wait(messages);
  return all;
}

void ShardedStep::broadcast(std::span<std::byte> bytes) {
  if (is_alone() || bytes.empty()) return;
  constexpr int kTag = 5;
  Communicator::Messages messages;
  if (is_first()) {
    for (Index rank = 1; rank < ranks_->ranks(); ++rank)
      messages.push_back(ranks_->send(rank, kTag, bytes));
  } else {
    messages.push_back(ranks_->receive(0, kTag, bytes));
  }
  ranks_->wait(messages);
}

}  // namespace minillm
