#include "libminillm/generate/engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/nn/batch_check.h"  // check_lm_head

namespace minillm {
namespace {

constexpr Index kScoredRows = 64;  // of prompts whose logits exist at once
constexpr size_t kOwners = 4096;   // whose turns are remembered

EngineConfig with_rows(EngineConfig config, const Model& model) {
  config.validate();
  check_lm_head(model.config());
  const Index context = model.config().max_position_embeddings;
  config.slot_rows = config.slot_rows == 0 ? context : std::min(config.slot_rows, context);
  return config;
}

// One that somebody else owns and keeps.
std::shared_ptr<const Adapter> unowned(const Adapter* adapter) {
  return {std::shared_ptr<const Adapter>(), adapter};
}

}  // namespace

void EngineConfig::validate() const {
  MINILLM_CHECK_USAGE(slots > 0, "slots: expected 1 or more, got {}", slots);
  MINILLM_CHECK_USAGE(prompt_rows > 0, "prompt_rows: expected 1 or more, got {}", prompt_rows);
  MINILLM_CHECK_USAGE(queue > 0, "queue: expected 1 or more, got {}", queue);
  MINILLM_CHECK_USAGE(slot_rows >= 0, "slot_rows: expected 0 (the context) or more, got {}",
                      slot_rows);
}

Engine::Engine(const Model& model, const Tokenizer* tokenizer,
               std::shared_ptr<const PackedWeights> packed, const EngineConfig& config)
    : model_(model),
      tokenizer_(tokenizer),
      packed_(std::move(packed)),
      config_(with_rows(config, model)),
      own_adapter_(unowned(model.adapter())),
      slots_(model.config(), config_.slots, config_.slot_rows) {
  MINILLM_CHECK(tokenizer == nullptr || tokenizer->vocab_size() <= model.config().vocab_size,
                "tokenizer: {} pieces: expected at most {}, the model's vocab_size",
                tokenizer->vocab_size(), model.config().vocab_size);
  if (!packed_)
    packed_ = std::make_shared<PackedWeights>(model.config(), model.weights(),
                                              model.weights().head.precision);
  if (own_adapter_) adapters_.push_back(own_adapter_);
  allocate();
}

void Engine::allocate() {
  Index inner_states = 0;
  for (const auto& adapter : adapters_)
    inner_states = std::max(inner_states, adapter->inner_states());
  const Index logits = scores_prompts_ ? std::max(config_.slots, kScoredRows) : config_.slots;
  workspace_.emplace(model_.config(), config_.prompt_rows + config_.slots, logits,
                     Workspace::Mode::kInference, inner_states);
  logits_ = Matrix(logits, model_.config().vocab_size);
}

// --- from any thread

RequestId Engine::submit(EngineRequest request, RequestEvents events) {
  if (!request.adapter && request.own_adapter) request.adapter = own_adapter_;
  Index rows = 0;
  {
    const std::lock_guard lock(mutex_);
    rows = config_.slot_rows;
  }
  auto stream = std::make_unique<Stream>(std::move(request), std::move(events), model_.config(),
                                         tokenizer_, rows);
  const std::lock_guard lock(mutex_);
  if (std::ssize(waiting_) >= config_.queue)
    throw RequestRefused(RequestRefused::Reason::kBusy,
                         fmt::format("engine: busy: expected at most {} requests in the queue, "
                                     "got one more (try again later)",
                                     config_.queue));
  stream->id = ++last_id_;
  waiting_.push_back(std::move(stream));
  ++counters_.requests;
  return last_id_;
}

void Engine::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(id);
}

EngineCounters Engine::counters() const {
  const std::lock_guard lock(mutex_);
  EngineCounters counters = counters_;
  counters.waiting = std::ssize(waiting_);
  return counters;
}

// --- from the engine's thread

void Engine::reserve(Index slots, Index slot_rows) {
  slots_.grow(slots, std::min(slot_rows, model_.config().max_position_embeddings));
  const bool more_slots = slots_.count() > config_.slots;
  {
    const std::lock_guard lock(mutex_);
    config_.slots = slots_.count();
    config_.slot_rows = slots_.rows();
  }
  if (more_slots) allocate();
}

bool Engine::step() {
  const auto started = std::chrono::steady_clock::now();
  step_ = EngineCounters();
  bool any = end_cancelled();
  admit();
  if (!running_.empty()) {
    any = true;
    make_batch();
    model_.forward(batch_, *workspace_, weights(), &slots_.cache());
    take_rows();
    score_prompts();
    sample();
    deliver();
    ++steps_;
  }
  if (!any) return false;
  count(std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  return true;
}

bool Engine::end_cancelled() {
  std::vector<RequestId> ids;
  std::vector<std::unique_ptr<Stream>> ended;
  {
    const std::lock_guard lock(mutex_);
    ids.swap(cancelled_);
    for (const RequestId id : ids) {
      const auto stream = std::ranges::find(waiting_, id, [](const auto& s) { return s->id; });
      if (stream == waiting_.end()) continue;
      ended.push_back(std::move(*stream));
      waiting_.erase(stream);
    }
  }
  for (const RequestId id : ids) {
    Running* running = find(id);
    if (running == nullptr) continue;
    release(*running);
    ended.push_back(std::move(running->stream));
    running_.erase(running_.begin() + (running - running_.data()));
  }
  for (const auto& stream : ended)
    guarded([&] {
      stream->finish(StopReason::kInterrupted);
      return true;
    });
  step_.cancelled = std::ssize(ended);
  return !ended.empty();
}

void Engine::admit() {
  while (slots_.any_free()) {
    std::unique_ptr<Stream> stream = next_waiting();
    if (!stream) return;
    begin(std::move(stream));
  }
}

// Of the owners that wait, the one whose last turn is longest ago; of its requests, the first.
std::unique_ptr<Stream> Engine::next_waiting() {
  const std::lock_guard lock(mutex_);
  const auto last_turn = [this](const std::unique_ptr<Stream>& stream) {
    const auto turn = turns_.find(stream->request().owner);
    return turn == turns_.end() ? 0 : turn->second;
  };
  const auto next = std::ranges::min_element(waiting_, {}, last_turn);
  if (next == waiting_.end()) return nullptr;
  std::unique_ptr<Stream> stream = std::move(*next);
  waiting_.erase(next);
  turns_[stream->request().owner] = ++turn_;
  if (turns_.size() > kOwners)
    turns_.erase(
        std::ranges::min_element(turns_, {}, [](const auto& turn) { return turn.second; }));
  return stream;
}

void Engine::begin(std::unique_ptr<Stream> stream) {
  const EngineRequest& request = stream->request();
  use(request.adapter);
  if (request.config.prompt_log_probs && !scores_prompts_) {
    scores_prompts_ = true;
    allocate();
  }
  Running running;
  const Running* leader = leader_for(*stream);
  const bool reuse = leader == nullptr && !request.config.prompt_log_probs;
  const CacheSlots::Place place = slots_.take(
      {config_.reuse_prefixes ? request.owner : "", request.adapter}, stream->sequence(), reuse);
  running.slot = place.slot;
  running.fed = place.rows;
  running.leader = leader == nullptr ? 0 : leader->stream->id;
  step_.reused_tokens += stream->set_cached(place.rows);
  running.stream = std::move(stream);
  running_.push_back(std::move(running));
}

// Who is feeding the same prompt; null: nobody, or it must feed its own.
const Engine::Running* Engine::leader_for(const Stream& stream) const {
  const EngineRequest& request = stream.request();
  if (!config_.reuse_prefixes || request.owner.empty() || request.config.prompt_log_probs)
    return nullptr;
  const auto leads = [&](const Running& other) {
    const EngineRequest& theirs = other.stream->request();
    return other.leader == 0 && other.reads_prompt() && theirs.owner == request.owner &&
           theirs.adapter == request.adapter && theirs.prompt == request.prompt;
  };
  const auto leader = std::ranges::find_if(running_, leads);
  return leader == running_.end() ? nullptr : &*leader;
}

// Sees to it that the weights have the adapter; those that no stream has any more are dropped.
void Engine::use(const std::shared_ptr<const Adapter>& adapter) {
  if (!adapter || index_of(adapter) >= 0) return;
  std::erase_if(adapters_, [&](const auto& other) {
    return other != own_adapter_ && std::ranges::none_of(running_, [&](const Running& running) {
             return running.stream->request().adapter == other;
           });
  });
  adapters_.push_back(adapter);
  std::vector<const Adapter*> all;
  for (const auto& other : adapters_) all.push_back(other.get());
  adapted_.reset();
  adapted_.emplace(packed_->weights(), all);
  if (adapter->inner_states() > workspace_->blocks.front().inner.rows()) allocate();
}

Index Engine::index_of(const std::shared_ptr<const Adapter>& adapter) const {
  const auto place = std::ranges::find(adapters_, adapter);
  return place == adapters_.end() ? -1 : place - adapters_.begin();
}

Engine::Running* Engine::find(RequestId id) {
  const auto place = std::ranges::find(running_, id, [](const Running& r) { return r.stream->id; });
  return place == running_.end() ? nullptr : &*place;
}

void Engine::count(double seconds) {
  const std::lock_guard lock(mutex_);
  const int64_t rows = batch_.rows();
  const double share =
      rows == 0 ? 0 : static_cast<double>(step_.prompt_tokens) / static_cast<double>(rows);
  counters_.cancelled += step_.cancelled;
  counters_.failed += step_.failed;
  counters_.prompt_tokens += step_.prompt_tokens;
  counters_.reused_tokens += step_.reused_tokens;
  counters_.generated_tokens += step_.generated_tokens;
  counters_.steps = steps_;
  counters_.busy_slots += step_.busy_slots;
  counters_.prompt_seconds += seconds * share;
  counters_.generation_seconds += seconds * (1 - share);
  counters_.running = std::ssize(running_);
}

}  // namespace minillm
