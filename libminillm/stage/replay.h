// Replay: text of an earlier stage among a stage's own data, so that it is not forgotten. All of
// its tokens carry loss. Pretraining and SFT replay texts; DPO replays conversations (dpo/).

#ifndef LIBMINILLM_STAGE_REPLAY_H_
#define LIBMINILLM_STAGE_REPLAY_H_

#include <string>
#include <vector>

#include "libminillm/data/token_shard.h"
#include "libminillm/stage/conversation_dataset.h"

namespace minillm {

TokenCount count_tokens(const std::vector<TextWindow>& windows);

// How much text is replayed: a fraction, below 1, of all tokens, or of those that carry loss.
struct ReplayShare {
  std::string key;  // of the config, for messages
  double share = 0;
  bool of_targets = false;

  void validate() const;                      // throws Error (kUsage)
  Index wanted(const TokenCount& own) const;  // tokens, or targets, beside the stage's own
};

// Documents drawn without repetition, a pure function of the arguments, until they have as much as
// is wanted beside the stage's `own` data, or all; cut to windows of at most `max_positions` rows.
RenderedConversations draw_documents(const std::vector<std::string>& documents,
                                     const Tokenizer& tokenizer, Index max_positions,
                                     const ReplayShare& share, const TokenCount& own,
                                     uint64_t seed);
// The same windows, of the same documents in a shard.
std::vector<TextWindow> draw_windows(const TokenShard& shard, Index max_positions,
                                     const ReplayShare& share, const TokenCount& own,
                                     uint64_t seed);

// Says what share of all tokens, and of those that carry loss, was drawn; a warning if the
// documents did not hold as much as is wanted.
std::string describe_replay(const ReplayShare& share, const TokenCount& own,
                            const TokenCount& drawn);

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_REPLAY_H_
