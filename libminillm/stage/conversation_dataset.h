// Sequences with their loss masks, packed into batches: conversations, which SFT trains on and DPO
// replays, and documents, every token of which carries loss.

#ifndef LIBMINILLM_STAGE_CONVERSATION_DATASET_H_
#define LIBMINILLM_STAGE_CONVERSATION_DATASET_H_

#include <string>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/document_reader.h"  // DocumentSplit
#include "libminillm/data/packing.h"
#include "libminillm/train/trainer.h"  // TrainerEvents

namespace minillm {

// Tokens, and how many of them carry loss.
struct TokenCount {
  Index tokens = 0, targets = 0;
};
TokenCount count_tokens(const std::vector<RenderedSequence>& sequences);

// Conversations or documents, rendered.
struct RenderedConversations {
  std::vector<RenderedSequence> sequences;
  std::string hash;  // SHA-256: the data's (over the files), or over what was rendered
};
// Conversations longer than `max_positions` tokens are left out, which is said through `events`.
RenderedConversations render_conversations(const Dataset<Conversation>& data,
                                           const Tokenizer& tokenizer, Index max_positions,
                                           const TrainerEvents& events);
// Says how many of some rows are left out. Throws Error, naming their files, if none is left.
void report_too_long(Index too_long, Index all, const char* what,
                     const std::vector<DatasetReport>& reports, Index max_positions,
                     const TrainerEvents& events);
// Documents in which every token carries loss, cut to windows of `max_positions`.
RenderedConversations render_documents(const std::vector<std::string>& documents,
                                       const Tokenizer& tokenizer, Index max_positions);
// Appends one of them and returns what it has.
TokenCount append_document(RenderedConversations& result, const std::string& document,
                           const Tokenizer& tokenizer, Index max_positions);
// The documents of some files. Throws Error as for_each_document does.
Dataset<std::string> read_documents(const std::vector<std::string>& paths, BadRecordPolicy policy,
                                    const RowMapping& mapping = {},
                                    DocumentSplit split = DocumentSplit::kBlankLine);

class ConversationDataset {
 public:
  // Throws Error if no sequence has a supervised token: nothing would be learned.
  ConversationDataset(std::vector<RenderedSequence> sequences, Index batch_tokens, uint64_t seed,
                      Index virtual_tokens = 0);

  // Micro-batch `i` of the run, over all epochs: a pure function of i. Valid until the next call.
  const TokenBatch& batch(Index i);
  // Appends micro-batch `i` to another batch, with as many virtual tokens.
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
