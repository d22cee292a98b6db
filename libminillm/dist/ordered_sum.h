// OrderedSum: a step's gradient over several ranks, with the bits that one rank would have.
//
// Every rank sums the largest nodes of the tree (sum_tree.h) that lie within its own slots, cuts
// each into shards, one for each rank, and sends them to the shard's owner, who walks the rest of
// the tree: a reduce-scatter. What the owners make of their shards then goes to everybody: an
// all-gather. A rank sends (nodes + 1) (n - 1) / n times the size, 2 (n - 1) / n where the ranks
// and the slots are powers of two, which is the least that any all-reduce sends (Patarasuk & Yuan
// 2009, "Bandwidth optimal all-reduce algorithms", theorem 1).

#ifndef LIBMINILLM_DIST_ORDERED_SUM_H_
#define LIBMINILLM_DIST_ORDERED_SUM_H_

#include <span>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/tensor_table.h"  // ElementRange
#include "libminillm/dist/communicator.h"
#include "libminillm/dist/sum_tree.h"

namespace minillm {

class OrderedSum {
 public:
  // `shards[r]` is rank r's, the same on all ranks; together they cover [0, size) in order, and
  // some may be empty. `bucket`: elements of a shard that travel at once; two are on their way.
  // REQUIRES 1 <= ranks <= slots. The communicator must outlive this.
  OrderedSum(Communicator& communicator, Index slots, std::vector<ElementRange> shards,
             Index bucket = Index{1} << 18);

  // The nodes that this rank sums by itself, from left to right; at least one.
  const std::vector<Slots>& own_nodes() const { return nodes_[own_]; }
  ElementRange own_shard() const { return shards_[own_]; }

  // sums[k]: the value of own_nodes()[k], all elements; overwritten. Afterwards sums[0] has the sum
  // over all slots in own_shard(), the bits of which depend on the number of slots alone. All ranks
  // must call it. Throws Error as Communicator::wait does.
  void reduce_scatter(std::span<const std::span<Real>> sums);
  // Everybody's shard of `values` to everybody.
  void all_gather(std::span<Real> values);

  // Bytes that this rank has sent, and memory that messages are received in.
  double bytes_sent() const { return bytes_sent_; }
  double staging_bytes() const;

 private:
  // A node that a rank has sent, or holds.
  struct Held {
    Slots node;
    size_t rank = 0, number = 0;
  };
  ElementRange slice(size_t rank, Index bucket) const;
  void begin(Index bucket, std::span<const std::span<Real>> sums);
  std::span<Real> value(Slots node, Index bucket, std::span<const std::span<Real>> sums);
  std::span<Real> staged(const Held& held, Index bucket, Index size);

  Communicator& communicator_;
  const Index slots_;
  const std::vector<ElementRange> shards_;
  const Index bucket_;
  const size_t own_, ranks_;
  std::vector<std::vector<Slots>> nodes_;  // by rank
  std::vector<Held> held_;                 // of all ranks, by the node's beginning
  Arena staging_[2];                       // [held nodes, bucket] each
  Communicator::Messages messages_[2];
  double bytes_sent_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_DIST_ORDERED_SUM_H_
