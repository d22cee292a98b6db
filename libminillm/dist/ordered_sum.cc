#include "libminillm/dist/ordered_sum.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr Index kOnTheirWay = 4;  // buckets
constexpr int kGatherTag = 2;
constexpr Index kEverything = std::numeric_limits<Index>::max();

// Buckets that are on their way at the same time must not be taken for each other.
int tag_of(size_t number, Index bucket) {
  return 16 + static_cast<int>(kOnTheirWay * static_cast<Index>(number) + bucket % kOnTheirWay);
}

class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double& seconds_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

Index largest_of(std::span<const ElementRange> parts) {
  Index largest = 1;
  for (const ElementRange& part : parts) largest = std::max(largest, part.end - part.begin);
  return largest;
}

}  // namespace

std::vector<ElementRange> parts_of_rank(std::span<const ElementRange> parts, Index rank,
                                        Index ranks) {
  std::vector<ElementRange> own;
  for (Index p = rank; p < std::ssize(parts); p += ranks)
    own.push_back(parts[static_cast<size_t>(p)]);
  return own;
}

OrderedSum::OrderedSum(Communicator& communicator, Index slots, std::vector<ElementRange> parts,
                       Index bucket)
    : communicator_(communicator),
      slots_(slots),
      parts_(std::move(parts)),
      own_(static_cast<size_t>(communicator.rank())),
      ranks_(static_cast<size_t>(communicator.ranks())),
      own_parts_(parts_of_rank(parts_, communicator.rank(), communicator.ranks())),
      bucket_(std::min(bucket, largest_of(parts_))),
      buckets_per_part_((largest_of(parts_) + bucket_ - 1) / bucket_),
      rounds_((std::ssize(parts_) + communicator.ranks() - 1) / communicator.ranks()),
      nodes_(ranks_),
      messages_(kOnTheirWay) {
  MINILLM_CHECK_USAGE(communicator.ranks() <= slots,
                      "ranks: {} of them: expected at most train.slots = {}, as each has slots of "
                      "its own",
                      communicator.ranks(), slots);
  for (size_t r = 0; r < ranks_; ++r) {
    nodes_[r] = nodes_of_rank(slots, static_cast<Index>(r), communicator.ranks());
    for (size_t k = 0; k < nodes_[r].size(); ++k)
      held_.push_back({nodes_[r][k], r, k, r == own_ ? -1 : foreign_++});
  }
  for (Index k = 0; k < kOnTheirWay && foreign_ > 0; ++k) staging_.emplace_back(bucket_ * foreign_);
}

OrderedSum::~OrderedSum() {
  if (!thread_.joinable()) return;  // else the caller is on its way out with an error
  given_up_ = true;
  ready(0);
  thread_.join();
}

double OrderedSum::staging_bytes() const {
  return static_cast<double>(kOnTheirWay * foreign_ * bucket_) * sizeof(Real);
}

double OrderedSum::staging_bytes(Index slots, Index ranks, Index largest_part, Index bucket) {
  Index all = 0, fewest = kEverything;
  for (Index r = 0; r < ranks; ++r) {
    const auto own = static_cast<Index>(nodes_of_rank(slots, r, ranks).size());
    all += own;
    fewest = std::min(fewest, own);
  }
  return static_cast<double>(kOnTheirWay * (all - fewest) * std::min(bucket, largest_part)) *
         sizeof(Real);
}

// A round is a part of each rank, the last round first.
ElementRange OrderedSum::slice(size_t rank, Index bucket) const {
  const Index round = rounds_ - 1 - bucket / buckets_per_part_, piece = bucket % buckets_per_part_;
  const Index number = round * static_cast<Index>(ranks_) + static_cast<Index>(rank);
  if (number >= std::ssize(parts_)) return {};
  const ElementRange part = parts_[static_cast<size_t>(number)];
  return {std::min(part.begin + piece * bucket_, part.end),
          std::min(part.begin + (piece + 1) * bucket_, part.end)};
}

// The first element of a bucket.
Index OrderedSum::lowest(Index bucket) const { return slice(0, bucket).begin; }

std::span<Real> OrderedSum::staged(const Held& held, Index bucket, Index size) {
  return part_of(staging_[static_cast<size_t>(bucket % kOnTheirWay)].span(),
                 {held.place * bucket_, held.place * bucket_ + size});
}

// Receives first, and sends to the next rank first, so that no rank is everybody's first.
void OrderedSum::open(Index bucket) {
  Communicator::Messages& messages = messages_[static_cast<size_t>(bucket % kOnTheirWay)];
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
    for (size_t number = 0; number < sums_.size(); ++number) {
      const auto bytes = std::as_bytes(part_of(sums_[number], theirs));
      messages.push_back(communicator_.send(static_cast<Index>(to), tag_of(number, bucket), bytes));
      bytes_sent_ += static_cast<double>(bytes.size());
    }
  }
}

void OrderedSum::close(Index bucket) {
  communicator_.wait(messages_[static_cast<size_t>(bucket % kOnTheirWay)], given_up_);
  const std::span<const Real> sum = value({0, slots_}, bucket);
  const std::span<Real> to = part_of(sums_[0], slice(own_, bucket));
  if (sum.data() != to.data()) std::ranges::copy(sum, to.begin());
}

// Of a node, in this bucket of the own part; written over its leftmost part.
std::span<Real> OrderedSum::value(Slots node, Index bucket) {
  const auto found = std::ranges::find(held_, node, &Held::node);
  const ElementRange own = slice(own_, bucket);
  if (found != held_.end())
    return found->rank == own_ ? part_of(sums_[found->number], own)
                               : staged(*found, bucket, own.end - own.begin);
  const std::span<Real> left = value(left_of(node), bucket);
  const std::span<const Real> right = value(right_of(node), bucket);
  for (size_t i = 0; i < left.size(); ++i) left[i] += right[i];
  return left;
}

void OrderedSum::sum_in_background() {
  const Index buckets = rounds_ * buckets_per_part_;
  Index opened = 0, closed = 0;
  while (closed < buckets) {
    bool more = false;
    if (opened < buckets && opened - closed < kOnTheirWay) {
      std::unique_lock lock(mutex_);
      if (opened == closed) changed_.wait(lock, [&] { return ready_from_ <= lowest(opened); });
      if (given_up_) return;
      more = ready_from_ <= lowest(opened);
    }
    if (more)
      open(opened++);
    else
      close(closed++);
  }
}

void OrderedSum::begin_sum(std::span<const std::span<Real>> sums) {
  MINILLM_DCHECK(sums.size() == own_nodes().size());
  finish_gather();
  sums_.assign(sums.begin(), sums.end());
  ready_from_ = kEverything;
  start([this] { sum_in_background(); });
}

void OrderedSum::ready(Index from) {
  {
    const std::scoped_lock lock(mutex_);
    ready_from_ = std::min(ready_from_, from);
  }
  changed_.notify_all();
}

void OrderedSum::finish_sum() {
  ready(0);
  join();
}

// The first parts first. All of it is on its way at once: nothing is copied on the way.
void OrderedSum::gather_in_background(std::span<Real> values) {
  std::vector<Communicator::Messages> messages(parts_.size());
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (parts_[p].end == parts_[p].begin) continue;
    const std::span<Real> part = part_of(values, parts_[p]);
    const size_t owner = p % ranks_;
    if (owner != own_) {
      messages[p].push_back(communicator_.receive(static_cast<Index>(owner), kGatherTag,
                                                  std::as_writable_bytes(part)));
      continue;
    }
    for (size_t k = 1; k < ranks_; ++k) {
      messages[p].push_back(communicator_.send(static_cast<Index>((own_ + k) % ranks_), kGatherTag,
                                               std::as_bytes(part)));
      bytes_sent_ += static_cast<double>(part.size_bytes());
    }
  }
  const auto arrived = [&](Index end) {
    {
      const std::scoped_lock lock(mutex_);
      arrived_ = end;
    }
    changed_.notify_all();
  };
  for (size_t p = 0; p < parts_.size(); ++p)
    if (p % ranks_ != own_) {
      communicator_.wait(messages[p], given_up_);
      arrived(parts_[p].end);
    }
  arrived(kEverything);
  for (Communicator::Messages& sent : messages) communicator_.wait(sent, given_up_);
}

void OrderedSum::begin_gather(std::span<Real> values) {
  finish_gather();
  arrived_ = 0;
  gathering_ = true;
  start([this, values] { gather_in_background(values); });
}

void OrderedSum::wait_for(Index end) {
  if (!gathering_) return;
  const Stopwatch watch(seconds_waited_);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return arrived_ >= end || failure_ != nullptr; });
  if (failure_ == nullptr) return;
  lock.unlock();
  finish_gather();
}

void OrderedSum::finish_gather() {
  if (!gathering_) return;
  gathering_ = false;
  join();
}

void OrderedSum::start(std::function<void()> work) {
  thread_ = std::thread([this, work = std::move(work)] {
    try {
      work();
    } catch (...) {
      {
        const std::scoped_lock lock(mutex_);
        failure_ = std::current_exception();
      }
      changed_.notify_all();
    }
  });
}

void OrderedSum::join() {
  const Stopwatch watch(seconds_waited_);
  thread_.join();
  if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace minillm
