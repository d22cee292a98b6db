// CacheSlots: the KV cache in slots, one for a stream, whose rows outlive it and are used again.
//
// A slot that is free keeps its rows and knows their tokens. A prompt that begins alike finds them
// there, in a free slot or in a busy one, and copies them: keys and values depend on the tokens
// before them and on nothing else, so their bits are those that feeding it would give.

#ifndef LIBMINILLM_GENERATE_CACHE_SLOTS_H_
#define LIBMINILLM_GENERATE_CACHE_SLOTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libminillm/nn/adapter.h"
#include "libminillm/nn/kv_cache.h"

namespace minillm {

class CacheSlots {
 public:
  // Rows are shared where both are equal; an empty owner shares none.
  struct Tenant {
    std::string owner;
    std::shared_ptr<const Adapter> adapter;  // null: none

    bool operator==(const Tenant&) const = default;
  };
  // A slot, and how many of its rows are what the sequence begins with.
  struct Place {
    Index slot = 0;
    Index rows = 0;
  };

  CacheSlots(const ModelConfig& config, Index slots, Index rows);

  Index count() const { return std::ssize(slots_); }
  Index rows() const { return rows_; }                        // of each slot
  Index first_row(Index slot) const { return slot * rows_; }  // in cache()
  bool any_free() const;
  KvCache& cache() { return cache_; }

  // A free slot for `sequence`: its prompt, after its adapter's virtual tokens (ids below 0). Of
  // the longest beginning that any slot of the tenant holds, at most size - 1 rows are put there,
  // as the last one's logits are wanted. A conversation that goes on stays in its slot; otherwise
  // the slot that has been free longest is overwritten. REQUIRES any_free(). `reuse` false: an
  // empty one.
  Place take(const Tenant& tenant, std::span<const Token> sequence, bool reuse);
  // The next rows of a slot are these tokens' now.
  void append(Index slot, std::span<const Token> tokens);
  // The first rows of a slot become those of another, whose sequence begins alike.
  void copy(Index from, Index to, Index rows);
  // It is free; its rows stay, unless `forget` or its owner shares none.
  void release(Index slot, bool forget = false);

  // At least so many slots with so many rows each; what they hold stays.
  void grow(Index slots, Index rows);

 private:
  struct Slot {
    Tenant tenant;
    std::vector<Token> tokens = {};  // of its rows
    Index prompt_rows = 0;           // of them, a prompt's: the rest is what was said
    uint64_t released = 0;           // when it became free, as a count; 0: it holds nothing
    bool busy = false;
  };
  Slot& at(Index slot) { return slots_[static_cast<size_t>(slot)]; }
  Index oldest_free() const;

  ModelConfig config_;
  Index rows_;
  std::vector<Slot> slots_;
  KvCache cache_;
  uint64_t releases_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_CACHE_SLOTS_H_
