#include "libminillm/stage/replay.h"

#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"

namespace minillm {
namespace {

constexpr uint64_t kReplayStream = 0x7265706c6179;  // "replay": apart from all other draws

// Calls draw(d), which returns what document d has, until that is enough.
template <typename Draw>
void draw_until(Index enough, const ReplayShare& share, Index documents, uint64_t seed,
                const Draw& draw) {
  std::vector<Index> order(static_cast<size_t>(documents));
  std::iota(order.begin(), order.end(), 0);
  Rng(seed, kReplayStream).shuffle(order);
  Index taken = 0;
  for (const Index d : order) {
    if (taken >= enough) return;
    const TokenCount document = draw(d);
    taken += share.of_targets ? document.targets : document.tokens;
  }
}

double percent(Index part, Index rest) {
  return 100 * static_cast<double>(part) / static_cast<double>(std::max<Index>(1, part + rest));
}

}  // namespace

TokenCount count_tokens(const std::vector<TextWindow>& windows) {
  TokenCount count;
  for (const TextWindow& window : windows) {
    count.tokens += window.end - window.begin;
    count.targets += window.rows();
  }
  return count;
}

void ReplayShare::validate() const {
  MINILLM_CHECK_USAGE(share >= 0 && share < 1,
                      "config: {}: expected a number from 0 to below 1, got {}", key, share);
}

Index ReplayShare::wanted(const TokenCount& own) const {
  const auto beside = static_cast<double>(of_targets ? own.targets : own.tokens);
  return static_cast<Index>(beside * (share / (1 - share)));
}

RenderedConversations draw_documents(const std::vector<std::string>& documents,
                                     const Tokenizer& tokenizer, Index max_positions,
                                     const ReplayShare& share, const TokenCount& own,
                                     uint64_t seed) {
  RenderedConversations result;
  draw_until(share.wanted(own), share, std::ssize(documents), seed, [&](Index d) {
    return append_document(result, documents[static_cast<size_t>(d)], tokenizer, max_positions);
  });
  return result;
}

std::vector<TextWindow> draw_windows(const TokenShard& shard, Index max_positions,
                                     const ReplayShare& share, const TokenCount& own,
                                     uint64_t seed) {
  const std::vector<TextWindow> all = cut_windows(shard, max_positions);
  std::vector<size_t> first(static_cast<size_t>(shard.documents()) + 1, all.size());
  for (size_t w = all.size(); w-- > 0;) first[static_cast<size_t>(all[w].document)] = w;
  std::vector<TextWindow> drawn;
  draw_until(share.wanted(own), share, shard.documents(), seed, [&](Index d) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first[static_cast<size_t>(d)]);
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(first[static_cast<size_t>(d) + 1]);
    drawn.insert(drawn.end(), begin, end);
    return count_tokens(std::vector<TextWindow>(begin, end));
  });
  return drawn;
}

std::string describe_replay(const ReplayShare& share, const TokenCount& own,
                            const TokenCount& drawn) {
  const Index wanted = share.wanted(own);
  const Index taken = share.of_targets ? drawn.targets : drawn.tokens;
  const std::string shares =
      fmt::format("{:.1f} % of all tokens, {:.1f} % of those that carry loss",
                  percent(drawn.tokens, own.tokens), percent(drawn.targets, own.targets));
  if (taken < wanted)
    return fmt::format(
        "warning: replay: {} = {} takes {} tokens of text{}, and the replayed files hold only {}: "
        "{} (replay more text, or lower {})",
        share.key, share.share, wanted, share.of_targets ? " that carry loss" : "", taken, shares,
        share.key);
  return fmt::format("replay: {} tokens of text beside {} of the stage's own data: {}",
                     drawn.tokens, own.tokens, shares);
}

}  // namespace minillm
