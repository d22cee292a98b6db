#include "libminillm/train/ranked_sum.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/optim/grad_norm.h"

namespace minillm {
namespace {

constexpr int kPartTag = 3;

Index largest_node(Index slots, Index rank, Index ranks) {
  Index largest = 1;
  for (const Slots& node : nodes_of_rank(slots, rank, ranks))
    largest = std::max(largest, node.count());
  return largest;
}

}  // namespace

RankedSum::RankedSum(std::span<Real> values, std::vector<ElementRange> parts, Index slots,
                     Communicator* ranks)
    : values_(values),
      ranks_(ranks),
      rank_(number_of(ranks)),
      count_(count_of(ranks)),
      own_slots_(slots_of_rank(slots, rank_, count_)),
      parts_(std::move(parts)),
      own_parts_(parts_of_rank(parts_, rank_, count_)),
      sum_(values, largest_node(slots, rank_, count_)) {
  MINILLM_CHECK_USAGE(count_ <= kNormParts, "ranks: {} of them: expected at most {}", count_,
                      kNormParts);
  if (count_ == 1) return;
  exchange_.emplace(*ranks, slots, parts_);
  for (size_t k = 1; k < exchange_->own_nodes().size(); ++k)
    nodes_.emplace_back(static_cast<Index>(values.size()));
}

void RankedSum::run(const std::function<void(Index slot)>& add_slot) {
  if (is_alone()) return sum_.run(own_slots_, add_slot);
  const std::vector<Slots>& nodes = exchange_->own_nodes();
  std::vector<std::span<Real>> sums;
  for (size_t k = 0; k + 1 < nodes.size(); ++k) {
    sum_.run(nodes[k], add_slot);
    std::ranges::copy(values_, nodes_[k].span().begin());
    sums.push_back(nodes_[k].span());
  }
  sums.push_back(values_);
  sum_.run(nodes.back(), [&](Index slot) {
    if (slot + 1 == own_slots_.end) exchange_->begin_sum(sums);
    add_slot(slot);
  });
  exchange_->finish_sum();
  if (nodes.size() > 1)
    for (const ElementRange& part : own_parts_)
      std::ranges::copy(part_of(sums[0], part), part_of(values_, part).begin());
}

void RankedSum::finish(Index from) {
  sum_.finish(from);
  if (!is_alone()) exchange_->ready(from);
}

void RankedSum::begin_gather(std::span<Real> values) {
  if (!is_alone()) exchange_->begin_gather(values);
}
void RankedSum::wait_for(Index end) {
  if (!is_alone()) exchange_->wait_for(end);
}
void RankedSum::finish_gather() {
  if (!is_alone()) exchange_->finish_gather();
}

double RankedSum::norm() const {
  std::vector<double> own(own_parts_.size());
  norm_parts(own, values_, own_parts_);
  if (is_alone()) return norm_of_parts(own);
  // Of all parts, those of other ranks zero; one rank has each.
  const auto parts = std::ssize(parts_);
  std::vector<double> sums(parts_.size());
  for (size_t k = 0; k < own.size(); ++k)
    sums[static_cast<size_t>(rank_) + k * static_cast<size_t>(count_)] = own[k];
  const std::vector<double> all = all_gather_values(*ranks_, std::span<const double>(sums));
  for (Index p = 0; p < parts; ++p)
    sums[static_cast<size_t>(p)] = all[static_cast<size_t>(p % count_ * parts + p)];
  return norm_of_parts(sums);
}

std::optional<Index> RankedSum::first_non_finite() const {
  std::optional<Index> bad;
  for (const ElementRange& part : own_parts_) {
    const std::optional<Index> found = minillm::first_non_finite(part_of(values_, part));
    if (!found) continue;
    bad = part.begin + *found;
    break;
  }
  if (is_alone()) return bad;
  const Index own[] = {bad.value_or(-1)};
  bad.reset();
  for (const Index theirs : all_gather_values(*ranks_, std::span<const Index>(own)))
    if (theirs >= 0) bad = std::min(theirs, bad.value_or(theirs));
  return bad;
}

// Which rank owns which of these elements, and where they are among all of its own in `of`.
void RankedSum::for_each_owned(
    ElementRange elements, std::span<const ElementRange> of,
    const std::function<void(Index owner, ElementRange, Index place)>& visit) {
  std::vector<Index> places(static_cast<size_t>(count_));
  for (size_t p = 0; p < parts_.size(); ++p) {
    const Index owner = static_cast<Index>(p) % count_;
    Index& place = places[static_cast<size_t>(owner)];
    for (const ElementRange& part : common_ranges(std::span(&parts_[p], 1), of)) {
      const ElementRange both = {std::max(part.begin, elements.begin),
                                 std::min(part.end, elements.end)};
      if (both.begin < both.end) visit(owner, both, place + both.begin - part.begin);
      place += part.end - part.begin;
    }
  }
}

OptimizerArray RankedSum::array_of_parts(std::string prefix, std::span<Real> own,
                                         std::vector<ElementRange> of) {
  const auto own_part = [own](ElementRange range, Index place) {
    return part_of(own, {place, place + range.end - range.begin});
  };
  const auto read = [this, own_part, of](Index first, std::span<Real> out) {
    Communicator::Messages messages;
    for_each_owned(
        {first, first + static_cast<Index>(out.size())}, of,
        [&](Index owner, ElementRange range, Index place) {
          const auto to = part_of(out, {range.begin - first, range.end - first});
          if (owner == rank_ && rank_ == 0)
            std::ranges::copy(own_part(range, place), to.begin());
          else if (owner == rank_)
            messages.push_back(ranks_->send(0, kPartTag, std::as_bytes(own_part(range, place))));
          else if (rank_ == 0)
            messages.push_back(ranks_->receive(owner, kPartTag, std::as_writable_bytes(to)));
        });
    if (!messages.empty()) ranks_->wait(messages);
  };
  const auto take = [this, own_part, of](Index first, std::span<const Real> values) {
    Communicator::Messages messages;
    for_each_owned({first, first + static_cast<Index>(values.size())}, of,
                   [&](Index owner, ElementRange range, Index place) {
                     const auto from = part_of(values, {range.begin - first, range.end - first});
                     if (owner == rank_ && rank_ == 0)
                       std::ranges::copy(from, own_part(range, place).begin());
                     else if (owner == rank_)
                       messages.push_back(ranks_->receive(
                           0, kPartTag, std::as_writable_bytes(own_part(range, place))));
                     else if (rank_ == 0)
                       messages.push_back(ranks_->send(owner, kPartTag, std::as_bytes(from)));
                   });
    if (!messages.empty()) ranks_->wait(messages);
  };
  return {std::move(prefix), read, take, std::move(of)};
}

}  // namespace minillm
