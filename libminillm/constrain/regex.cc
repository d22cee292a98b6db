#include "libminillm/constrain/regex.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "libminillm/constrain/regex_syntax.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr size_t kMaxNodes = 100'000;
constexpr size_t kMaxStates = 20'000;
// In units of a node that is looked at, some tens of nanoseconds.
constexpr size_t kWorkOfNode = 10, kWorkOfState = 50;

// A nondeterministic automaton (Thompson 1968). Anchors are edges that only some places let pass.
struct Node {
  enum Kind { kByte, kSplit, kBegin, kEnd, kMatch } kind = kMatch;
  uint8_t low = 0, high = 0;     // of kByte
  uint32_t next = 0, other = 0;  // other: of kSplit
};

// Builds from the end to the beginning: what follows a part is there before it.
class NodeBuilder {
 public:
  NodeBuilder(RegexText text, const std::string& subject, RegexWork& work)
      : text_(text), subject_(subject), work_(work) {}

  uint32_t build(const RegexTree& tree, uint32_t next) {
    work_.take(1, subject_);
    switch (tree.kind) {
      case RegexTree::kCharacters:
        return characters(tree.characters, next);
      case RegexTree::kSequence:
        for (size_t i = tree.parts.size(); i > 0; --i) next = build(tree.parts[i - 1], next);
        return next;
      case RegexTree::kChoice: {
        uint32_t any = build(tree.parts.back(), next);
        for (size_t i = tree.parts.size() - 1; i > 0; --i)
          any = split(build(tree.parts[i - 1], next), any);
        return any;
      }
      case RegexTree::kRepeat:
        return repeat(tree.parts.front(), tree.least, tree.most, next);
      case RegexTree::kBegin:
        return add({.kind = Node::kBegin, .next = next});
      case RegexTree::kEnd:
        return add({.kind = Node::kEnd, .next = next});
    }
    return next;
  }

  uint32_t add(const Node& node) {
    work_.take(kWorkOfNode, subject_);
    MINILLM_CHECK(nodes.size() < kMaxNodes, "{}: too large: its repeats make more than {} parts",
                  subject_, kMaxNodes);
    nodes.push_back(node);
    return static_cast<uint32_t>(nodes.size() - 1);
  }

  std::vector<Node> nodes;

 private:
  uint32_t split(uint32_t next, uint32_t other) {
    return add({.kind = Node::kSplit, .next = next, .other = other});
  }

  uint32_t repeat(const RegexTree& part, uint32_t least, uint32_t most, uint32_t next) {
    if (most == kNoLimit) {
      const uint32_t loop = split(0, next);
      nodes[loop].next = build(part, loop);
      next = loop;
    } else {
      const uint32_t after = next;
      for (uint32_t i = least; i < most; ++i) next = split(build(part, next), after);
    }
    for (uint32_t i = 0; i < least; ++i) next = build(part, next);
    return next;
  }

  // Sequences that end alike share their ends.
  uint32_t characters(const std::vector<CodeRange>& ranges, uint32_t next) {
    std::vector<ByteRanges> sequences;
    for (const CodeRange& range : ranges)
      text_ == RegexText::kPlain ? append_utf8(range, sequences)
                                 : append_json_utf8(range, sequences);
    std::map<std::pair<uint16_t, uint32_t>, uint32_t> shared;
    std::vector<uint32_t> firsts;
    for (const ByteRanges& sequence : sequences) {
      uint32_t node = next;
      for (size_t i = sequence.size(); i > 0; --i) {
        const auto [low, high] = sequence[i - 1];
        const auto both = static_cast<uint16_t>(low << 8 | high);
        const auto [found, added] = shared.try_emplace({both, node}, 0);
        if (added)
          found->second = add({.kind = Node::kByte, .low = low, .high = high, .next = node});
        node = found->second;
      }
      firsts.push_back(node);
    }
    if (firsts.empty()) return add({.kind = Node::kByte, .low = 1, .high = 0});  // nothing
    uint32_t any = firsts.back();
    for (size_t i = firsts.size() - 1; i > 0; --i) any = split(firsts[i - 1], any);
    return any;
  }

  RegexText text_;
  const std::string& subject_;
  RegexWork& work_;
};

// The subset construction: a state is the set of nodes where one may be.
class SubsetBuilder {
 public:
  SubsetBuilder(const std::vector<Node>& nodes, const std::string& subject, RegexWork& work)
      : nodes_(nodes), subject_(subject), work_(work), seen_(nodes.size(), 0) {}

  ByteAutomaton build(uint32_t start) {
    ByteAutomaton automaton;
    sets_.push_back({start});
    for (size_t i = 0; i < sets_.size(); ++i) {
      const bool begins = i == 0;  // no edge leads back here, since it is not in numbers_
      const bool accepts = close(sets_[i], begins, true);
      close(sets_[i], begins, false);
      std::vector<ByteEdge> edges;
      std::vector<uint32_t> targets;
      for_each_byte_range(bytes_, [&](uint8_t low, uint8_t high, std::span<const ByteEdge> here) {
        targets.clear();
        for (const ByteEdge& edge : here) targets.push_back(edge.target);
        append_edge(edges, low, high, number(targets));
      });
      automaton.states.push_back({std::move(edges), accepts});
    }
    trim(automaton);
    MINILLM_CHECK(!automaton.states.empty(), "{}: matches no text at all", subject_);
    return automaton;
  }

 private:
  // Into bytes_: the edges that can be taken from the set. Returns whether the match can be reached
  // without one.
  bool close(const std::vector<uint32_t>& set, bool begins, bool ends) {
    ++epoch_;
    bytes_.clear();
    bool match = false;
    pending_ = set;
    while (!pending_.empty()) {
      const uint32_t at = pending_.back();
      pending_.pop_back();
      if (seen_[at] == epoch_) continue;
      seen_[at] = epoch_;
      work_.take(1, subject_);
      const Node& node = nodes_[at];
      const bool passes = node.kind == Node::kSplit || (node.kind == Node::kBegin && begins) ||
                          (node.kind == Node::kEnd && ends);
      if (passes) pending_.push_back(node.next);
      if (node.kind == Node::kSplit) pending_.push_back(node.other);
      if (node.kind == Node::kMatch) match = true;
      if (node.kind == Node::kByte && node.low <= node.high)
        bytes_.push_back({node.low, node.high, node.next});
    }
    return match;
  }

  uint32_t number(std::vector<uint32_t>& set) {
    std::ranges::sort(set);
    set.erase(std::unique(set.begin(), set.end()), set.end());
    const auto [found, added] = numbers_.try_emplace(set, static_cast<uint32_t>(sets_.size()));
    if (added) {
      MINILLM_CHECK(sets_.size() < kMaxStates, "{}: too large: it takes more than {} states",
                    subject_, kMaxStates);
      work_.take(kWorkOfState, subject_);
      sets_.push_back(set);
    }
    return found->second;
  }

  const std::vector<Node>& nodes_;
  const std::string& subject_;
  RegexWork& work_;
  std::vector<uint32_t> seen_;
  uint32_t epoch_ = 0;
  std::vector<uint32_t> pending_;
  std::vector<ByteEdge> bytes_;  // the target is a node
  std::vector<std::vector<uint32_t>> sets_;
  std::map<std::vector<uint32_t>, uint32_t> numbers_;
};

bool has_anchor(const RegexTree& tree) {
  return tree.kind == RegexTree::kBegin || tree.kind == RegexTree::kEnd ||
         std::ranges::any_of(tree.parts, has_anchor);
}

}  // namespace

void RegexWork::take(size_t work, const std::string& subject) {
  MINILLM_CHECK(left >= work,
                "{}: too large: it has too many parts, or can be read in too many ways at once",
                subject);
  left -= work;
}

ByteAutomaton compile_regex(std::string_view expression, RegexMatch match, RegexText text,
                            const std::string& subject) {
  RegexWork work;
  return compile_regex(expression, match, text, subject, work);
}

ByteAutomaton compile_regex(std::string_view expression, RegexMatch match, RegexText text,
                            const std::string& subject, RegexWork& work) {
  const RegexTree tree = parse_regex(expression, subject);
  NodeBuilder builder(text, subject, work);
  uint32_t start = builder.add({.kind = Node::kMatch});
  RegexTree anything{.kind = RegexTree::kRepeat, .characters = {}, .parts = {any_character()}};
  anything.most = kNoLimit;
  if (match == RegexMatch::kSearch) start = builder.build(anything, start);
  start = builder.build(tree, start);
  if (match == RegexMatch::kSearch) start = builder.build(anything, start);
  return SubsetBuilder(builder.nodes, subject, work).build(start);
}

ByteAutomaton compile_folded_regex(std::string_view expression, const std::string& subject) {
  const RegexTree tree = parse_regex(expression, subject, RegexSpelling::kAny);
  MINILLM_CHECK(!has_anchor(tree), "{}: the anchors ^ and $: not supported here", subject);
  RegexWork work;
  NodeBuilder builder(RegexText::kPlain, subject, work);
  const uint32_t end = builder.add({.kind = Node::kMatch});
  const uint32_t start = builder.build(tree, end);
  return SubsetBuilder(builder.nodes, subject, work).build(start);
}

}  // namespace minillm
