#include "libminillm/stage/conversation_dataset.h"

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/text_loss.h"  // make_evaluation_text
#include "libminillm/stage/stage.h"

namespace minillm {
namespace {

std::vector<Index> rows_of(const std::vector<RenderedSequence>& sequences) {
  std::vector<Index> rows;
  Index supervised = 0;
  for (const RenderedSequence& sequence : sequences) {
    rows.push_back(static_cast<Index>(sequence.tokens.size()) - 1);
    supervised += sequence.supervised_count();
  }
  MINILLM_CHECK(supervised > 0,
                "conversations: no token carries loss in {} of them (every assistant message is "
                "empty or was cut)",
                sequences.size());
  return rows;
}

std::string hash_of(const std::vector<RenderedSequence>& sequences) {
  Sha256 hash;
  for (const RenderedSequence& s : sequences) {
    hash.update(fmt::format("{}\n", s.tokens.size()));
    hash.update({reinterpret_cast<const char*>(s.tokens.data()), s.tokens.size() * sizeof(Token)});
    hash.update({reinterpret_cast<const char*>(s.supervised.data()), s.supervised.size()});
  }
  return hash.hex();
}

}  // namespace

void report_too_long(Index too_long, Index all, const char* what,
                     const std::vector<DatasetReport>& reports, Index max_positions,
                     const TrainerEvents& events) {
  if (too_long == 0) return;
  std::string files;
  for (const DatasetReport& report : reports)
    files += fmt::format("{}'{}'", files.empty() ? "" : ", ", report.path);
  MINILLM_CHECK(too_long < all, "{}: all of its {} {} are longer than the model's {} positions",
                files.empty() ? "data" : files, all, what, max_positions);
  report_message(
      events,
      fmt::format("{}{} of {} {} are longer than the model's {} positions and are left "
                  "out",
                  10 * too_long > all ? "warning: " : "", too_long, all, what, max_positions));
}

TokenCount count_tokens(const std::vector<RenderedSequence>& sequences) {
  TokenCount count;
  for (const RenderedSequence& sequence : sequences) {
    count.tokens += std::ssize(sequence.tokens);
    count.targets += sequence.supervised_count();
  }
  return count;
}

RenderedConversations render_conversations(const Dataset<Conversation>& data,
                                           const Tokenizer& tokenizer, Index max_positions,
                                           const TrainerEvents& events) {
  RenderedConversations result{{}, data.hash};
  for (const Conversation& conversation : data.records)
    result.sequences.push_back(render_conversation(tokenizer, conversation.messages));
  report_too_long(remove_too_long(result.sequences, max_positions), std::ssize(data.records),
                  "conversations", data.reports, max_positions, events);
  if (result.hash.empty()) result.hash = hash_of(result.sequences);
  return result;
}

RenderedConversations render_documents(const std::vector<std::string>& documents,
                                       const Tokenizer& tokenizer, Index max_positions) {
  RenderedConversations result;
  for (const std::string& document : documents)
    append_document(result, document, tokenizer, max_positions);
  return result;
}

// Cut as held-out text is cut for its evaluation.
TokenCount append_document(RenderedConversations& result, const std::string& document,
                           const Tokenizer& tokenizer, Index max_positions) {
  TokenCount count;
  result.hash = sha256(result.hash + document);
  for (const std::vector<Token>& window :
       make_evaluation_text({&document, 1}, tokenizer, max_positions).windows) {
    std::vector<uint8_t> supervised(window.size(), 1);
    supervised[0] = 0;
    result.sequences.push_back({window, std::move(supervised)});
    count.tokens += std::ssize(window);
    count.targets += std::ssize(window) - 1;
  }
  return count;
}

Dataset<std::string> read_documents(const std::vector<std::string>& paths, BadRecordPolicy policy,
                                    const RowMapping& mapping, DocumentSplit split) {
  Dataset<std::string> data;
  data.reports = for_each_document(
      paths, split, policy, [&](std::string_view document) { data.records.emplace_back(document); },
      mapping);
  return data;
}

ConversationDataset::ConversationDataset(std::vector<RenderedSequence> sequences,
                                         Index batch_tokens, uint64_t seed, Index virtual_tokens)
    : sequences_(std::move(sequences)),
      schedule_(rows_of(sequences_), batch_tokens, seed, virtual_tokens) {
  batch_.virtual_tokens = virtual_tokens;
}

const TokenBatch& ConversationDataset::batch(Index i) {
  batch_.clear();
  append_batch(batch_, i);
  return batch_;
}

void ConversationDataset::append_batch(TokenBatch& batch, Index i) {
  for (const Index s : schedule_.at(i)) append_sequence(batch, sequences_[static_cast<size_t>(s)]);
}

Index ConversationDataset::bytes() const {
  size_t bytes = 0;
  for (const RenderedSequence& s : sequences_)
    bytes += s.tokens.size() * sizeof(Token) + s.supervised.size();
  return static_cast<Index>(bytes);
}

Index ConversationDataset::supervised_tokens(Index i) {
  Index count = 0;
  for (const Index s : schedule_.at(i))
    count += sequences_[static_cast<size_t>(s)].supervised_count();
  return count;
}

}  // namespace minillm
