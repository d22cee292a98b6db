// TokenBatch: a flat stream of tokens, the segments it is made of, and the predictions asked for.
//
// There is no padding and no [B, T] grid. Fixed-length pretraining, packed SFT, ragged preference
// pairs, a prompt shared by chosen and rejected, prefill, and decoding one token are all this one
// structure. Only attention and RoPE look at segments; every other op is row-wise.

#ifndef LIBMINILLM_CORE_TOKEN_BATCH_H_
#define LIBMINILLM_CORE_TOKEN_BATCH_H_

#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// Rows [begin, end) of the batch: one sequence, or the continuation of one. Row i attends to rows
// [begin, i] of its own segment and to ALL of its prefix. Its position is the prefix's length plus
// i - begin.
//
// The prefix is rows [prefix_begin, prefix_end) of the same batch while training (a prompt shared
// by several answers) and rows of the KV cache while decoding. Empty for a plain sequence.
struct Segment {
  Index begin = 0;
  Index end = 0;
  Index prefix_begin = 0;
  Index prefix_end = 0;
  Index adapter = 0;  // which of the pass's adapters, if it has any; -1: none

  Index length() const { return end - begin; }
  Index prefix_length() const { return prefix_end - prefix_begin; }
};

// "Score `token` as what follows row `row`." A row may predict several tokens (a shared prompt's
// last row predicts the first token of both answers) or none (a prompt's rows in SFT).
struct Target {
  Index row = 0;
  Token token = 0;
  Real weight = 1;  // what next_token_loss multiplies the log-probability by
};

struct TokenBatch {
  std::vector<Token> tokens;      // [N]
  std::vector<Segment> segments;  // [S], covering [0, N) in order, without gaps
  std::vector<Target> targets;    // [M]
  // Of the model's adapter (Model::virtual_tokens): tokens -P to -1 begin every sequence, before
  // its own. Whoever appends one puts them there (data/packing.h). clear() leaves it as it is.
  Index virtual_tokens = 0;

  Index rows() const { return static_cast<Index>(tokens.size()); }
  Index target_count() const { return static_cast<Index>(targets.size()); }
  void clear() {
    tokens.clear();
    segments.clear();
    targets.clear();
  }
};

// Where the two answers of a preference pair are in a batch's `targets`.
struct PairTargets {
  Index chosen_begin = 0, chosen_end = 0;
  Index rejected_begin = 0, rejected_end = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_TOKEN_BATCH_H_
