// What the engine's step does with the streams that have a slot: rows, logits, tokens.

#include <algorithm>
#include <span>

#include "libminillm/core/threads.h"
#include "libminillm/generate/engine.h"
#include "libminillm/generate/portions.h"

namespace minillm {

// Of every running stream its newest token; of prompts as much as their portions are.
void Engine::make_batch() {
  const size_t count = running_.size();
  wants_.assign(count, 0);
  portions_.resize(count);
  for (size_t s = 0; s < count; ++s)
    if (const Running& running = running_[s]; running.reads_prompt() && running.leader == 0)
      wants_[s] = running.stream->prompt_rows() - running.fed;
  deal_rows(portions_, wants_, config_.prompt_rows, static_cast<size_t>(steps_) % count);

  order_.resize(count);
  for (size_t s = 0; s < count; ++s) order_[s] = s;
  if (adapters_.size() > 1)
    std::ranges::stable_sort(
        order_, {}, [this](size_t s) { return index_of(running_[s].stream->request().adapter); });
  batch_.clear();
  for (const size_t s : order_) {
    Running& running = running_[s];
    running.portion = running.reads_prompt() ? portions_[s] : 1;
    if (running.portion == 0) continue;
    const Index begin = batch_.rows(), first = slots_.first_row(running.slot);
    const auto tokens = running.stream->sequence().subspan(static_cast<size_t>(running.fed),
                                                           static_cast<size_t>(running.portion));
    batch_.tokens.insert(batch_.tokens.end(), tokens.begin(), tokens.end());
    if (running.reads_prompt())
      step_.prompt_tokens += std::ranges::count_if(tokens, [](Token token) { return token >= 0; });
    batch_.segments.push_back({begin, batch_.rows(), first, first + running.fed,
                               index_of(running.stream->request().adapter)});
    running.last_row = batch_.rows() - 1;
  }
}

// The batch's rows are in the cache now. Who waits for a prompt that is complete copies it.
void Engine::take_rows() {
  scored_.clear();
  sampling_.clear();
  for (Running& running : running_) {
    if (running.portion == 0) continue;
    Stream& stream = *running.stream;
    const std::span<const Token> sequence = stream.sequence();
    if (stream.request().config.prompt_log_probs && running.reads_prompt()) {
      const Index virtual_tokens = stream.prompt_rows() - std::ssize(stream.request().prompt);
      for (Index i = running.fed; i < running.fed + running.portion; ++i)
        if (i >= virtual_tokens && i + 1 < stream.prompt_rows())
          scored_.push_back({&stream, i - virtual_tokens,
                             running.last_row + 1 - running.portion + (i - running.fed)});
    }
    slots_.append(running.slot, sequence.subspan(static_cast<size_t>(running.fed),
                                                 static_cast<size_t>(running.portion)));
    running.fed += running.portion;
  }
  for (size_t s = 0; s < running_.size(); ++s) {
    Running& running = running_[s];
    if (running.leader != 0) {
      const Running& leader = *find(running.leader);
      if (leader.reads_prompt()) continue;
      copy_prompt(running, leader, leader.fed);
      running.last_row = leader.last_row;
    }
    if (running.fed == std::ssize(running.stream->sequence())) sampling_.push_back(s);
  }
}

void Engine::copy_prompt(Running& to, const Running& from, Index rows) {
  slots_.copy(from.slot, to.slot, rows);
  to.fed = rows;
  to.leader = 0;
  step_.reused_tokens += to.stream->set_cached(rows);
}

void Engine::score_prompts() {
  const size_t room = static_cast<size_t>(logits_.rows());
  for (size_t begin = 0; begin < scored_.size(); begin += room) {
    const size_t count = std::min(room, scored_.size() - begin);
    rows_.clear();
    for (size_t i = 0; i < count; ++i) rows_.push_back(scored_[begin + i].row);
    const View logits = logits_.top(static_cast<Index>(count));
    model_.logits(logits, rows_, *workspace_, weights());
    parallel_for(count, [&](size_t i) {
      const ScoredRow& scored = scored_[begin + i];
      scored.stream->score_prompt(
          scored.token, {logits.row(static_cast<Index>(i)), static_cast<size_t>(logits.cols)});
    });
  }
}

void Engine::sample() {
  rows_.clear();
  for (const size_t s : sampling_) rows_.push_back(running_[s].last_row);
  if (rows_.empty()) return;
  const View logits = logits_.top(std::ssize(rows_));
  model_.logits(logits, rows_, *workspace_, weights());
  parallel_for(rows_.size(), [&](size_t i) {
    running_[sampling_[i]].stream->sample(
        {logits.row(static_cast<Index>(i)), static_cast<size_t>(logits.cols)});
  });
}

void Engine::deliver() {
  step_.busy_slots = std::ssize(running_);
  for (const size_t s : sampling_) {
    Running& running = running_[s];
    const bool failed = running.stream->failed();
    (failed ? step_.failed : step_.generated_tokens) += 1;
    running.ended = guarded([&] { return running.stream->deliver(); });
    if (running.ended) release(running);
  }
  std::erase_if(running_, [](const Running& running) { return running.ended; });
}

// Frees the slot. Of those that waited for its prompt, one feeds the rest of it for the others.
void Engine::release(Running& running) {
  RequestId next = 0;
  for (Running& waiting : running_) {
    if (waiting.leader != running.stream->id) continue;
    if (next == 0) {
      copy_prompt(waiting, running, running.fed);
      next = waiting.stream->id;
    } else {
      waiting.leader = next;
    }
  }
  slots_.release(running.slot, running.stream->failed());
}

}  // namespace minillm
