#include "libminillm/dist/ordered_sum.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// Neighbouring buckets are on their way at the same time and must not be taken for each other.
int tag_of(size_t number, Index bucket) {
  return 16 + static_cast<int>(2 * number) + static_cast<int>(bucket % 2);
}
constexpr int kGatherTag = 2;

std::span<Real> part_of(std::span<Real> values, ElementRange range) {
  return values.subspan(static_cast<size_t>(range.begin),
                        static_cast<size_t>(range.end - range.begin));
}

}  // namespace

OrderedSum::OrderedSum(Communicator& communicator, Index slots, std::vector<ElementRange> shards,
                       Index bucket)
    : communicator_(communicator),
      slots_(slots),
      shards_(std::move(shards)),
      bucket_(bucket),
      own_(static_cast<size_t>(communicator.rank())),
      ranks_(static_cast<size_t>(communicator.ranks())),
      nodes_(ranks_) {
  MINILLM_CHECK_USAGE(communicator.ranks() <= slots,
                      "ranks: {} of them: expected at most train.slots = {}, as each has slots of "
                      "its own",
                      communicator.ranks(), slots);
  MINILLM_DCHECK(shards_.size() == ranks_);
  for (size_t r = 0; r < ranks_; ++r) {
    append_nodes_in(slots_of_rank(slots, static_cast<Index>(r), communicator.ranks()), {0, slots},
                    nodes_[r]);
    for (size_t k = 0; k < nodes_[r].size(); ++k) held_.push_back({nodes_[r][k], r, k});
  }
  if (ranks_ > 1)
    for (Arena& staging : staging_) staging = Arena(bucket_ * std::ssize(held_));
}

double OrderedSum::staging_bytes() const {
  return 2.0 * static_cast<double>(staging_[0].size()) * sizeof(Real);
}

// Elements of a rank's shard that travel in this bucket.
ElementRange OrderedSum::slice(size_t rank, Index bucket) const {
  const ElementRange shard = shards_[rank];
  return {std::min(shard.begin + bucket * bucket_, shard.end),
          std::min(shard.begin + (bucket + 1) * bucket_, shard.end)};
}

std::span<Real> OrderedSum::staged(const Held& held, Index bucket, Index size) {
  const auto place = &held - held_.data();
  return part_of(staging_[bucket % 2].span(), {place * bucket_, place * bucket_ + size});
}

// Receives first, and sends to the next rank first, so that no rank is everybody's first.
void OrderedSum::begin(Index bucket, std::span<const std::span<Real>> sums) {
  Communicator::Messages& messages = messages_[bucket % 2];
  const ElementRange own = slice(own_, bucket);
  for (const Held& held : held_)
    if (held.rank != own_ && own.end > own.begin)
      messages.push_back(
          communicator_.receive(static_cast<Index>(held.rank), tag_of(held.number, bucket),
                                std::as_writable_bytes(staged(held, bucket, own.end - own.begin))));
  for (size_t k = 1; k < ranks_; ++k) {
    const size_t to = (own_ + k) % ranks_;
    const ElementRange theirs = slice(to, bucket);
    if (theirs.end == theirs.begin) continue;
    for (size_t number = 0; number < sums.size(); ++number) {
      const auto bytes = std::as_bytes(part_of(sums[number], theirs));
      messages.push_back(communicator_.send(static_cast<Index>(to), tag_of(number, bucket), bytes));
      bytes_sent_ += static_cast<double>(bytes.size());
    }
  }
}

// Of a node, in this bucket of the own shard; written over its leftmost part.
std::span<Real> OrderedSum::value(Slots node, Index bucket, std::span<const std::span<Real>> sums) {
  const auto found = std::ranges::find(held_, node, &Held::node);
  const ElementRange own = slice(own_, bucket);
  if (found != held_.end())
    return found->rank == own_ ? part_of(sums[found->number], own)
                               : staged(*found, bucket, own.end - own.begin);
  const std::span<Real> left = value(left_of(node), bucket, sums);
  const std::span<const Real> right = value(right_of(node), bucket, sums);
  for (size_t i = 0; i < left.size(); ++i) left[i] += right[i];
  return left;
}

void OrderedSum::reduce_scatter(std::span<const std::span<Real>> sums) {
  MINILLM_DCHECK(sums.size() == own_nodes().size());
  Index longest = 0;
  for (const ElementRange& shard : shards_) longest = std::max(longest, shard.end - shard.begin);
  const Index buckets = (longest + bucket_ - 1) / bucket_;
  if (buckets > 0) begin(0, sums);
  for (Index bucket = 0; bucket < buckets; ++bucket) {
    if (bucket + 1 < buckets) begin(bucket + 1, sums);
    communicator_.wait(messages_[bucket % 2]);
    const std::span<const Real> sum = value({0, slots_}, bucket, sums);
    const std::span<Real> to = part_of(sums[0], slice(own_, bucket));
    if (sum.data() != to.data()) std::ranges::copy(sum, to.begin());
  }
}

void OrderedSum::all_gather(std::span<Real> values) {
  Communicator::Messages messages;
  for (size_t k = 1; k < ranks_; ++k) {
    const size_t from = (own_ + ranks_ - k) % ranks_;
    if (shards_[from].end > shards_[from].begin)
      messages.push_back(
          communicator_.receive(static_cast<Index>(from), kGatherTag,
                                std::as_writable_bytes(part_of(values, shards_[from]))));
  }
  const auto own = std::as_bytes(part_of(values, shards_[own_]));
  for (size_t k = 1; k < ranks_ && !own.empty(); ++k) {
    messages.push_back(
        communicator_.send(static_cast<Index>((own_ + k) % ranks_), kGatherTag, own));
    bytes_sent_ += static_cast<double>(own.size());
  }
  communicator_.wait(messages);
}

}  // namespace minillm
