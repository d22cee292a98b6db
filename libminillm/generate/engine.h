// Engine: requests that come and go, over one model. Every step is one TokenBatch.
//
// Continuous batching (Yu et al. 2022, "Orca"): in every step a running stream has one row, that of
// its newest token; prompts are fed in portions beside them (Agrawal et al. 2023, arXiv:2308.16369,
// "Sarathi"), dealt evenly, so that nobody's long prompt holds up the others for more than a
// portion. What is in the KV cache already is not fed again (cache_slots.h), and of equal prompts
// on their way one is fed for all.
//
// An answer has the same bits whoever shares the batch: alone or among others, its prefix reused or
// not, for any slots, portions and threads.

#ifndef LIBMINILLM_GENERATE_ENGINE_H_
#define LIBMINILLM_GENERATE_ENGINE_H_

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/cache_slots.h"
#include "libminillm/generate/request.h"
#include "libminillm/generate/stream.h"
#include "libminillm/nn/model.h"
#include "libminillm/nn/packed_weights.h"

namespace minillm {

struct EngineConfig {
  Index slots = 8;          // streams at a time, prompts on their way among them
  Index prompt_rows = 256;  // of prompts in a step, all together
  Index queue = 64;         // requests that wait for a slot, or for the next step, at most
  // Rows of the KV cache for a stream, at most the model's context; 0: that. All are allocated at
  // the start: slots x slot_rows.
  Index slot_rows = 0;
  bool reuse_prefixes = true;  // false: every prompt is fed whole; the bits are the same

  void validate() const;  // throws Error (kUsage)
};

// Since the engine was made, but for the last two.
struct EngineCounters {
  int64_t requests = 0;          // taken
  int64_t cancelled = 0;         // of them
  int64_t failed = 0;            // of them: on_error
  int64_t prompt_tokens = 0;     // fed
  int64_t reused_tokens = 0;     // of prompts, and not fed
  int64_t generated_tokens = 0;  // end tokens among them
  int64_t steps = 0;
  int64_t busy_slots = 0;         // summed over steps
  double prompt_seconds = 0;      // of steps, by the share of prompts in their rows
  double generation_seconds = 0;  // ... and the rest of them
  Index running = 0;              // in slots, as of the last step
  Index waiting = 0;              // in the queue now
};

class Engine {
 public:
  // Model and tokenizer must outlive the engine; the model's parameters and adapter must not change
  // meanwhile. `packed`: the model's weights, in the precision that all requests get; null: packed
  // here, in the model's. Without a tokenizer: ids only, texts stay empty, and stop strings are an
  // error. Ids that the tokenizer has no piece for are never generated. Throws Error if the config
  // is invalid, the tokenizer has more pieces than the model, or that is a reward model.
  Engine(const Model& model, const Tokenizer* tokenizer,
         std::shared_ptr<const PackedWeights> packed, const EngineConfig& config = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() = default;  // requests that are left get no call any more

  // --- from any thread

  // Throws Error where the request cannot run, and says why: an empty prompt, ids outside the
  // vocabulary, values out of range; RequestRefused if it is too long or the queue is full.
  RequestId submit(EngineRequest request, RequestEvents events);
  // Its slot is free before the next step, which calls on_end with kInterrupted. No effect on
  // requests that have ended.
  void cancel(RequestId id);
  EngineCounters counters() const;

  // --- from one thread at a time, the engine's

  // Ends what was cancelled, begins what waits for a slot, and gives every running stream a token.
  // Owners take turns at free slots; of one owner's requests the first to come is served first.
  // False: there was nothing to do. Throws what a callback has thrown; after std::bad_alloc the
  // engine is of no use any more.
  bool step();
  // Room for at least as many slots and rows of each (at most the context), from now on. What the
  // slots hold stays.
  void reserve(Index slots, Index slot_rows);
  Index slots() const { return slots_.count(); }
  Index slot_rows() const { return slots_.rows(); }

 private:
  // A stream in a slot.
  struct Running {
    std::unique_ptr<Stream> stream;
    Index slot = 0;
    Index fed = 0;         // rows of its slot that are there
    RequestId leader = 0;  // has the same prompt, and feeds it for this one; 0: nobody does
    Index portion = 0;     // rows in this step's batch
    Index last_row = 0;    // ... and the last of them
    bool ended = false;
    bool reads_prompt() const { return fed < stream->prompt_rows(); }
  };
  // A row of this step whose logits score a prompt's token.
  struct ScoredRow {
    Stream* stream;
    Index token;
    Index row;
  };

  void allocate();
  const Weights& weights() const { return adapted_ ? adapted_->weights() : packed_->weights(); }
  void use(const std::shared_ptr<const Adapter>& adapter);
  Index index_of(const std::shared_ptr<const Adapter>& adapter) const;

  bool end_cancelled();
  void admit();
  std::unique_ptr<Stream> next_waiting();
  void begin(std::unique_ptr<Stream> stream);
  const Running* leader_for(const Stream& stream) const;
  void make_batch();
  void take_rows();
  void copy_prompt(Running& to, const Running& from, Index rows);
  void score_prompts();
  void sample();
  void deliver();
  void release(Running& running);
  Running* find(RequestId id);
  void count(double seconds);
  // Calls what calls a callback. True: the stream has ended, be it because that has thrown.
  template <typename Call>
  bool guarded(Call&& call) {
    try {
      return call();
    } catch (...) {
      if (!thrown_) thrown_ = std::current_exception();
      return true;
    }
  }

  const Model& model_;
  const Tokenizer* tokenizer_;  // null: ids only
  std::shared_ptr<const PackedWeights> packed_;
  EngineConfig config_;
  const std::shared_ptr<const Adapter> own_adapter_;  // the model's, which it owns; null: none

  // The engine's thread only.
  CacheSlots slots_;
  std::vector<std::shared_ptr<const Adapter>> adapters_;  // of the streams, and the model's own
  std::optional<AdaptedWeights> adapted_;                 // with these; empty: none
  std::optional<Workspace> workspace_;
  bool scores_prompts_ = false;  // there is room for the logits of many rows of prompts
  Matrix logits_;                // [slots, V] or more
  std::vector<Running> running_;
  std::exception_ptr thrown_;  // by a callback
  TokenBatch batch_;
  std::vector<Index> wants_, portions_;  // by running stream
  std::vector<size_t> order_;            // of running_ in the batch: one adapter's side by side
  std::vector<ScoredRow> scored_;
  std::vector<size_t> sampling_;           // of running_: they get a token in this step
  std::vector<Index> rows_;                // whose logits are asked for
  std::map<std::string, uint64_t> turns_;  // by owner: when it last got a slot
  uint64_t turn_ = 0;
  EngineCounters step_;  // what this step adds
  int64_t steps_ = 0;

  mutable std::mutex mutex_;  // guards the rest, and config_.slot_rows
  std::deque<std::unique_ptr<Stream>> waiting_;
  std::vector<RequestId> cancelled_;
  RequestId last_id_ = 0;
  EngineCounters counters_;
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_ENGINE_H_
