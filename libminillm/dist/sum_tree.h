// SumTree: the one order in which the parts of a sum are added, whoever holds them.
//
// A sum has S slots. A node of the tree over [0, S) with more than one slot is cut at the largest
// power of two below their number (the tree of RFC 6962, section 2.1):
//
//   value([b, e)) = value([b, cut)) + value([cut, e))        [0,7) = [0,4) + ([4,6) + [6,7))
//
// a + b = b + a in floating point, but (a + b) + c is not a + (b + c): only the tree's shape
// matters, and it depends on S alone.

#ifndef LIBMINILLM_DIST_SUM_TREE_H_
#define LIBMINILLM_DIST_SUM_TREE_H_

#include <algorithm>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// Slots [begin, end): a node of the tree, or what a rank owns.
struct Slots {
  Index begin = 0, end = 0;

  Index count() const { return end - begin; }
  bool operator==(const Slots&) const = default;
};

// The two parts of a node. REQUIRES more than one slot.
inline Index cut_of(Slots node) {
  Index power = 1;
  while (2 * power < node.count()) power *= 2;
  return node.begin + power;
}
inline Slots left_of(Slots node) { return {node.begin, cut_of(node)}; }
inline Slots right_of(Slots node) { return {cut_of(node), node.end}; }

// Levels below a node: to sum it from left to right takes so many buffers besides the result's.
inline Index height_of(Slots node) {
  if (node.count() <= 1) return 0;
  return 1 + std::max(height_of(left_of(node)), height_of(right_of(node)));
}

// What rank r of n owns, and the largest nodes of the tree below `node` that lie in a range, from
// left to right: what it can sum by itself.
inline Slots slots_of_rank(Index slots, Index rank, Index ranks) {
  return {slots * rank / ranks, slots * (rank + 1) / ranks};
}
inline void append_nodes_in(Slots range, Slots node, std::vector<Slots>& nodes) {
  if (node.end <= range.begin || range.end <= node.begin) return;
  if (range.begin <= node.begin && node.end <= range.end) {
    nodes.push_back(node);
    return;
  }
  append_nodes_in(range, left_of(node), nodes);
  append_nodes_in(range, right_of(node), nodes);
}

inline std::vector<Slots> nodes_of_rank(Index slots, Index rank, Index ranks) {
  std::vector<Slots> nodes;
  append_nodes_in(slots_of_rank(slots, rank, ranks), {0, slots}, nodes);
  return nodes;
}
// Buffers that a rank needs beside the result's: to sum its highest node, and one for every further
// node.
inline Index buffers_of_rank(Index slots, Index rank, Index ranks) {
  const std::vector<Slots> nodes = nodes_of_rank(slots, rank, ranks);
  Index height = 0;
  for (const Slots& node : nodes) height = std::max(height, height_of(node));
  return height + static_cast<Index>(nodes.size()) - 1;
}

}  // namespace minillm

#endif  // LIBMINILLM_DIST_SUM_TREE_H_
