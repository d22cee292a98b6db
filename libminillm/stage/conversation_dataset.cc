#include "libminillm/stage/conversation_dataset.h"

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/sha256.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/eval/text_loss.h"  // make_evaluation_text
#include "libminillm/stage/stage.h"

namespace minillm {
namespace {

constexpr uint64_t kReplayStream = 0x7265706c6179;  // "replay": apart from all other draws

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

}  // namespace

RenderedConversations load_conversations(const std::vector<std::string>& paths,
                                         const std::string& on_bad_record,
                                         const Tokenizer& tokenizer, Index max_positions,
                                         const TrainerEvents& events) {
  const Dataset<Conversation> data =
      read_conversations(paths, parse_bad_record_policy(on_bad_record));
  report_datasets(data.reports, events);
  RenderedConversations result{{}, data.hash};
  for (const Conversation& conversation : data.records)
    result.sequences.push_back(render_conversation(tokenizer, conversation.messages));
  const Index too_long = remove_too_long(result.sequences, max_positions);
  if (too_long > 0)
    say(events,
        fmt::format(
            "{} of {} conversations are longer than the model's {} positions and are left out",
            too_long, data.records.size(), max_positions));
  return result;
}

RenderedConversations load_replayed_text(const std::vector<std::string>& paths,
                                         const std::string& on_bad_record,
                                         const Tokenizer& tokenizer, Index max_positions,
                                         Index tokens, uint64_t seed, const TrainerEvents& events) {
  std::vector<std::string> documents;
  report_datasets(
      for_each_document(paths, DocumentSplit::kBlankLine, parse_bad_record_policy(on_bad_record),
                        [&](std::string_view document) { documents.emplace_back(document); }),
      events);
  Rng(seed, kReplayStream).shuffle(documents);
  RenderedConversations result;
  Index taken = 0;
  for (const std::string& document : documents) {
    if (taken >= tokens) break;
    result.hash = sha256(result.hash + document);
    // Cut as held-out text is cut for its evaluation.
    const EvaluationText text = make_evaluation_text({&document, 1}, tokenizer, max_positions);
    for (const std::vector<Token>& window : text.windows) {
      std::vector<uint8_t> supervised(window.size(), 1);
      supervised[0] = 0;
      result.sequences.push_back({window, std::move(supervised)});
      taken += std::ssize(window);
    }
  }
  say(events, fmt::format("replay: {} tokens of text beside the conversations", taken));
  return result;
}

ConversationDataset::ConversationDataset(std::vector<RenderedSequence> sequences,
                                         Index batch_tokens, uint64_t seed)
    : sequences_(std::move(sequences)), schedule_(rows_of(sequences_), batch_tokens, seed) {}

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
