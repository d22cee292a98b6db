// OrderedSum: a step's gradient over several ranks, with the bits that one rank would have.
//
// Every rank sums the largest nodes of the tree (sum_tree.h) that lie within its own slots. The
// array is cut into parts, which are dealt to the ranks in turn; of each part, everybody's nodes
// go to its owner, who walks the rest of the tree: a reduce-scatter. What the owners make of their
// parts then goes to everybody: an all-gather. A rank sends (nodes + 1) (n - 1) / n times the size,
// 2 (n - 1) / n where the ranks and the slots are powers of two, which is the least that any
// all-reduce sends (Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce algorithms", theorem 1).
//
// Both go on beside the caller's work, in a thread: a backward pass finishes the last elements
// first, and any stretch of them has parts of all ranks (consecutive shards would have all ranks
// send to one owner after another); a forward pass needs the first ones first.

#ifndef LIBMINILLM_DIST_ORDERED_SUM_H_
#define LIBMINILLM_DIST_ORDERED_SUM_H_

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"  // ElementRange
#include "libminillm/dist/communicator.h"
#include "libminillm/dist/sum_tree.h"

namespace minillm {

// The parts that a rank owns, in order: part p is rank p mod n's.
std::vector<ElementRange> parts_of_rank(std::span<const ElementRange> parts, Index rank,
                                        Index ranks);

class OrderedSum {
 public:
  // `parts`: the same on all ranks; together they cover [0, size) in order, and some may be empty.
  // `bucket`: elements of a part that travel at once. REQUIRES 1 <= ranks <= slots. The
  // communicator must outlive this, and let two threads call it.
  OrderedSum(Communicator& communicator, Index slots, std::vector<ElementRange> parts,
             Index bucket = Index{1} << 18);
  ~OrderedSum();

  // The nodes that this rank sums by itself, from left to right; at least one.
  const std::vector<Slots>& own_nodes() const { return nodes_[own_]; }
  const std::vector<ElementRange>& own_parts() const { return own_parts_; }

  // sums[k]: the value of own_nodes()[k], all elements; overwritten. Afterwards sums[0] has the sum
  // over all slots in own_parts(), the bits of which depend on the number of slots alone. All ranks
  // must call it. Throws Error as Communicator::wait does.
  void reduce_scatter(std::span<const std::span<Real>> sums);
  // The same beside other work: elements from `from` on may travel, as they are final.
  // The sums must outlive it, or finish_sum().
  void begin_sum(std::span<const std::span<Real>> sums);
  void ready(Index from);
  void finish_sum();  // all are ready

  // Everybody's parts of `values` to everybody.
  void all_gather(std::span<Real> values);
  // The same beside other work, that needs the elements below `end` first. Own parts must not
  // change before finish_gather() has returned, which may be called again.
  void begin_gather(std::span<Real> values);
  void wait_for(Index end);
  void finish_gather();

  // Bytes that this rank has sent, and memory that messages are received in.
  double bytes_sent() const { return bytes_sent_; }
  double staging_bytes() const;
  // The same before there is a sum: of the rank that has most.
  static double staging_bytes(Index slots, Index ranks, Index largest_part,
                              Index bucket = Index{1} << 18);
  // Seconds that finish_sum() and wait_for() have waited: what no work hid.
  double seconds_waited() const { return seconds_waited_; }

 private:
  // A node that a rank holds; `place`: in the staging of the ranks that do not, -1: own.
  struct Held {
    Slots node;
    size_t rank = 0, number = 0;
    Index place = -1;
  };
  ElementRange slice(size_t rank, Index bucket) const;
  ElementRange gathered(size_t rank, Index bucket) const;
  ElementRange slice(size_t rank, Index round, Index piece) const;
  Index lowest(Index bucket) const;
  void set_ready(Index from);
  bool is_ready(Index bucket);
  void open(Index bucket);
  void close(Index bucket);
  std::span<Real> value(Slots node, Index bucket);
  std::span<Real> staged(const Held& held, Index bucket, Index size);
  void sum_buckets();
  void gather_parts(std::span<Real> values);
  void open_gather(std::span<Real> values, Index bucket);
  void start(std::function<void()> work);
  void join();

  Communicator& communicator_;
  const Index slots_;
  const std::vector<ElementRange> parts_;
  const size_t own_, ranks_;
  const std::vector<ElementRange> own_parts_;
  Index bucket_ = 0, buckets_per_part_ = 0, rounds_ = 0;
  std::vector<std::vector<Slots>> nodes_;  // by rank
  std::vector<Held> held_;                 // of all ranks, by the node's beginning
  Index foreign_ = 0;                      // of them, held by others
  std::vector<Arena> staging_;             // [foreign nodes, bucket] for each bucket on its way
  std::vector<Communicator::Messages> on_their_way_;  // by bucket
  Communicator::Messages sent_;                       // of a sum
  std::vector<std::span<Real>> sums_;
  double bytes_sent_ = 0, seconds_waited_ = 0;

  bool begun_ = true;  // the sum that begin_sum() announced last

  // Between the caller and the thread.
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> given_up_ = false;
  Index ready_from_ = 0;    // elements from here on may travel
  Index arrived_ = 0;       // elements below it have
  bool gathering_ = false;  // not yet finished
  std::exception_ptr failure_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DIST_ORDERED_SUM_H_
