#include "libminillm/dist/ordered_sum.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/multiversion.h"

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

MINILLM_MULTIVERSION
void add(Real* __restrict sum, const Real* __restrict values, Index size) {
  for (Index i = 0; i < size; ++i) sum[i] += values[i];
}

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
      on_their_way_(kOnTheirWay) {
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
  set_ready(0);
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

// A round is a part of each rank. A sum travels from the last round to the first one, a gather from
// the first to the last.
ElementRange OrderedSum::slice(size_t rank, Index bucket) const {
  return slice(rank, rounds_ - 1 - bucket / buckets_per_part_, bucket % buckets_per_part_);
}
ElementRange OrderedSum::gathered(size_t rank, Index bucket) const {
  return slice(rank, bucket / buckets_per_part_, bucket % buckets_per_part_);
}
ElementRange OrderedSum::slice(size_t rank, Index round, Index piece) const {
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
  Communicator::Messages& received = on_their_way_[static_cast<size_t>(bucket % kOnTheirWay)];
  const ElementRange own = slice(own_, bucket);
  for (const Held& held : held_)
    if (held.rank != own_ && own.end > own.begin)
      received.push_back(
          communicator_.receive(static_cast<Index>(held.rank), tag_of(held.number, bucket),
                                std::as_writable_bytes(staged(held, bucket, own.end - own.begin))));
  for (size_t k = 1; k < ranks_; ++k) {
    const size_t to = (own_ + k) % ranks_;
    const ElementRange theirs = slice(to, bucket);
    if (theirs.end == theirs.begin) continue;
    for (size_t number = 0; number < sums_.size(); ++number) {
      const auto bytes = std::as_bytes(part_of(sums_[number], theirs));
      sent_.push_back(communicator_.send(static_cast<Index>(to), tag_of(number, bucket), bytes));
      bytes_sent_ += static_cast<double>(bytes.size());
    }
  }
}

void OrderedSum::close(Index bucket) {
  communicator_.wait(on_their_way_[static_cast<size_t>(bucket % kOnTheirWay)], given_up_);
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
  add(left.data(), right.data(), std::ssize(left));
  return left;
}

bool OrderedSum::is_ready(Index bucket) {
  const std::scoped_lock lock(mutex_);
  return ready_from_ <= lowest(bucket);
}

void OrderedSum::sum_buckets() {
  const Index buckets = rounds_ * buckets_per_part_;
  Index opened = 0, closed = 0;
  while (closed < buckets) {
    bool more = false;
    if (opened < buckets && opened - closed < kOnTheirWay) {
      if (opened == closed && !is_ready(opened)) communicator_.wait(sent_, given_up_);
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
  communicator_.wait(sent_, given_up_);
}

void OrderedSum::reduce_scatter(std::span<const std::span<Real>> sums) {
  MINILLM_DCHECK(sums.size() == own_nodes().size());
  finish_gather();
  sums_.assign(sums.begin(), sums.end());
  ready_from_ = 0;
  sum_buckets();
}

// The thread begins with the first elements that may travel: until then it may still gather.
void OrderedSum::begin_sum(std::span<const std::span<Real>> sums) {
  MINILLM_DCHECK(sums.size() == own_nodes().size());
  sums_.assign(sums.begin(), sums.end());
  begun_ = false;
}

void OrderedSum::ready(Index from) {
  if (!std::exchange(begun_, true)) {
    finish_gather();
    ready_from_ = kEverything;
    start([this] { sum_buckets(); });
  }
  set_ready(from);
}

void OrderedSum::set_ready(Index from) {
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

void OrderedSum::open_gather(std::span<Real> values, Index bucket) {
  Communicator::Messages& messages = on_their_way_[static_cast<size_t>(bucket % kOnTheirWay)];
  const std::span<const Real> own = part_of(values, gathered(own_, bucket));
  for (size_t k = 1; k < ranks_; ++k) {
    const size_t from = (own_ + ranks_ - k) % ranks_, to = (own_ + k) % ranks_;
    const std::span<Real> theirs = part_of(values, gathered(from, bucket));
    if (!theirs.empty())
      messages.push_back(communicator_.receive(static_cast<Index>(from), kGatherTag,
                                               std::as_writable_bytes(theirs)));
    if (own.empty()) continue;
    messages.push_back(communicator_.send(static_cast<Index>(to), kGatherTag, std::as_bytes(own)));
    bytes_sent_ += static_cast<double>(own.size_bytes());
  }
}

// Only some buckets are on their way, those that are needed first: on a slow line, whatever else
// the ranks send each other has to queue after them.
void OrderedSum::gather_parts(std::span<Real> values) {
  const Index buckets = rounds_ * buckets_per_part_;
  for (Index opened = 0, closed = 0; closed < buckets; ++closed) {
    while (opened < buckets && opened - closed < kOnTheirWay) open_gather(values, opened++);
    communicator_.wait(on_their_way_[static_cast<size_t>(closed % kOnTheirWay)], given_up_);
    const std::scoped_lock lock(mutex_);
    arrived_ = closed + 1 < buckets ? gathered(0, closed + 1).begin : kEverything;
    changed_.notify_all();
  }
}

void OrderedSum::all_gather(std::span<Real> values) {
  finish_gather();
  gather_parts(values);
}

void OrderedSum::begin_gather(std::span<Real> values) {
  finish_gather();
  arrived_ = 0;
  gathering_ = true;
  start([this, values] { gather_parts(values); });
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
