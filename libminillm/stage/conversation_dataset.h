// Conversations rendered with their loss masks, packed into batches: what SFT trains on, and what
// DPO replays.

#ifndef LIBMINILLM_STAGE_CONVERSATION_DATASET_H_
#define LIBMINILLM_STAGE_CONVERSATION_DATASET_H_

#include <string>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/packing.h"
#include "libminillm/train/trainer.h"  // TrainerEvents

namespace minillm {

// The conversations of some files, rendered.
struct RenderedConversations {
  std::vector<RenderedSequence> sequences;
  std::string hash;  // SHA-256 over the files
};
// Conversations longer than `max_positions` tokens are left out. What was read and left out is said
// through `events`. Throws Error as read_conversations does.
RenderedConversations load_conversations(const std::vector<std::string>& paths,
                                         const std::string& on_bad_record,
                                         const Tokenizer& tokenizer, Index max_positions,
                                         const TrainerEvents& events);

// Documents of text in which every token carries loss, cut to windows of `max_positions`: drawn
// without repetition until they have `tokens` tokens, or all. A pure function of its arguments.
RenderedConversations load_replayed_text(const std::vector<std::string>& paths,
                                         const std::string& on_bad_record,
                                         const Tokenizer& tokenizer, Index max_positions,
                                         Index tokens, uint64_t seed, const TrainerEvents& events);

class ConversationDataset {
 public:
  // Throws Error if no sequence has a supervised token: nothing would be learned.
  ConversationDataset(std::vector<RenderedSequence> sequences, Index batch_tokens, uint64_t seed);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const TokenBatch& batch(Index i);
  // Appends micro-batch `i` to another batch.
  void append_batch(TokenBatch& batch, Index i);
  Index supervised_tokens(Index i);  // targets of micro-batch i

  BatchSchedule& schedule() { return schedule_; }
  Index bytes() const;                                     // memory of the sequences
  Index max_rows() const { return schedule_.max_rows(); }  // of any micro-batch

 private:
  std::vector<RenderedSequence> sequences_;
  BatchSchedule schedule_;
  TokenBatch batch_;
};

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_CONVERSATION_DATASET_H_
