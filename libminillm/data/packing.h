// Packing: sequences into batches, up to a token budget, without padding. Every sequence begins
// with the batch's virtual tokens, which are in addition to the rows told here.

#ifndef LIBMINILLM_DATA_PACKING_H_
#define LIBMINILLM_DATA_PACKING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "libminillm/core/token_batch.h"
#include "libminillm/data/chat_template.h"  // RenderedSequence, RenderedPair

namespace minillm {

// Appends the sequence as one segment; every supervised token i > 0 becomes a target of row i-1,
// with weight 1. The last token is not fed (nothing follows it), so n tokens make n-1 rows.
void append_sequence(TokenBatch& batch, const RenderedSequence& sequence);
// Appends a window of plain text: rows tokens[0..n-1), each of which predicts its successor.
void append_text(TokenBatch& batch, std::span<const Token> tokens);

using Answers = std::span<const std::span<const Token>>;
// Appends a prompt and answers to it, each a segment that has the prompt as its prefix, so that it
// is computed once. Every token of an answer is a target; the prompt's last row predicts the first.
// REQUIRES: no answer is empty.
void append_answers(TokenBatch& batch, std::span<const Token> prompt, Answers answers);
// The same answers to be scored: their last tokens are fed, too, and those rows are the targets.
void append_scored_answers(TokenBatch& batch, std::span<const Token> prompt, Answers answers);

// A text that goes on from a prefix; its tokens from `first` on are targets.
struct Tail {
  std::span<const Token> tokens;
  Index first = 0;
};
// Appends a prefix and texts that go on from it, each a segment, so that the prefix is computed
// once; a tail that is fed the same tokens as the one before it is computed with that one. The last
// token of a tail is not fed. REQUIRES: no tail is empty, nor is the prefix.
void append_tails(TokenBatch& batch, std::span<const Token> prefix, std::span<const Tail> tails);
// Whether `tail` is computed with `before`; then it adds no rows.
bool fed_alike(const Tail& before, const Tail& tail);

// Appends prompt, chosen and rejected as three segments: both answers have the prompt as their
// prefix, so it is computed once. Its last row predicts the first token of both. An answer without
// tokens is not there; throws Error if neither is.
PairTargets append_pair(TokenBatch& batch, const RenderedPair& pair);
Index pair_rows(const RenderedPair& pair);  // rows that append_pair would add

// Removes what takes more than `max_positions` positions, and returns how many were removed, to be
// reported. Nothing is ever truncated: a cut answer teaches the model to stop in mid-sentence, and
// the two answers of a pair must share the whole prompt.
Index remove_too_long(std::vector<RenderedSequence>& sequences, Index max_positions);
Index remove_too_long(std::vector<RenderedPair>& pairs, Index max_positions);

// A plan of micro-batches: which items (by index) go into each.
using BatchPlan = std::vector<std::vector<Index>>;

// One epoch: items in the order of shuffle(seed, epoch), packed greedily into batches of up to
// `budget` rows; an item longer than that is a batch of its own. `rows[i]` is what item i takes. A
// pure function of its arguments, so a resumed run repeats it.
BatchPlan plan_epoch(std::span<const Index> rows, Index budget, uint64_t seed, int64_t epoch);

// The plan of a whole run: one epoch after another; micro-batch i of the run is at(i). Holds the
// plans of two neighbouring epochs and where the last few thousand begin, however long the run;
// what lies before is counted again when asked for.
class BatchSchedule {
 public:
  // An item is a sequence, or several with one beginning: `virtual_tokens` are added to its rows.
  BatchSchedule(std::vector<Index> rows, Index budget, uint64_t seed, Index virtual_tokens = 0);
  // Item indices of micro-batch `i` (0-based, over all epochs). Valid until a micro-batch of an
  // epoch that is not a neighbour is asked for.
  const std::vector<Index>& at(Index i);
  Index batches_in_first_epoch();
  // Largest number of rows of any batch: max(budget, longest item).
  Index max_rows() const;
  // The (fractional) epoch at which micro-batch i starts, for the log.
  double epoch_at(Index i);

 private:
  struct Epoch {
    Index number = -1;
    BatchPlan plan;
  };
  Index epoch_of(Index i);
  Index begin_of(Index epoch) const { return begin_[static_cast<size_t>(epoch - first_kept_)]; }
  const BatchPlan& plan_of(Index epoch);
  std::vector<Index> rows_;
  Index budget_;
  uint64_t seed_;
  Epoch held_[2];  // by the epoch's number modulo two
  Index first_kept_ = 0;
  std::vector<Index> begin_;  // first batch of each epoch from first_kept_ on, and one past the end
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_PACKING_H_
