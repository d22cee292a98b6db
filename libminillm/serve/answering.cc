#include "libminillm/serve/answering.h"

#include <utility>

#include "libminillm/generate/chat.h"  // strip_template_space
#include "libminillm/serve/http_text.h"

namespace minillm {
namespace {

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// What the API answers when the engine does not take a request.
ApiError refusal(const Error& error) {
  const auto* refused = dynamic_cast<const RequestRefused*>(&error);
  if (refused == nullptr) return {400, error.what()};
  if (refused->reason() == RequestRefused::Reason::kBusy) return {429, error.what()};
  return {400, error.what(), "", "context_length_exceeded"};
}

}  // namespace

Answering::Answering(AnswerTask task, const ServedModel& model, EngineThread& thread,
                     std::shared_ptr<HttpResponder> responder)
    : task_(std::move(task)),
      model_(model),
      thread_(thread),
      responder_(std::move(responder)),
      choices_(task_.prompts.size() * static_cast<size_t>(task_.request.choices)),
      unfinished_(choices_.size()) {
  for (const AnswerPrompt& prompt : task_.prompts)
    usage_.prompt_tokens += std::ssize(prompt.tokens);
}

const AnswerPrompt& Answering::prompt_of(size_t choice) const {
  return task_.prompts[choice / static_cast<size_t>(task_.request.choices)];
}

void Answering::start() {
  {
    const std::lock_guard lock(mutex_);  // the first tokens wait until the head is there
    try {
      for (size_t choice = 0; choice < choices_.size(); ++choice) submit(choice);
    } catch (const Error& error) {
      over_ = true;
      cancel_all();
      throw refusal(error);
    }
    if (task_.request.stream) begin_stream();
  }
  thread_.wake();
  responder_->on_client_gone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->leave();
  });
}

void Answering::submit(size_t choice) {
  EngineRequest request{.prompt = prompt_of(choice).tokens,
                        .config = task_.request.config,
                        .owner = task_.owner,
                        .adapter = model_.adapter,
                        .own_adapter = false};
  request.config.seed = *task_.request.seed;
  request.config.stream = choice % static_cast<uint64_t>(task_.request.choices);
  request.config.stop_tokens = model_.tokenizer.end_tokens();
  // The whole context, unless the request wants less; nothing at all is the first token, unsaid.
  request.config.max_tokens =
      std::max<int64_t>(1, task_.request.max_tokens.value_or(model_.context));
  RequestEvents events;
  if (task_.request.stream)
    events.on_token = [self = shared_from_this(), choice](const TokenEvent& event) {
      self->on_token(choice, event);
    };
  else
    events.on_token = [self = shared_from_this()](const TokenEvent&) {
      const std::lock_guard lock(self->mutex_);
      if (!self->first_token_) self->first_token_ = Clock::now();
    };
  events.on_end = [self = shared_from_this(), choice](Generation&& generation) {
    self->on_end(choice, std::move(generation));
  };
  events.on_error = [self = shared_from_this()](const Error& error) {
    const std::lock_guard lock(self->mutex_);
    self->fail({500, error.what()});
  };
  ids_.push_back(model_.engine->submit(std::move(request), std::move(events)));
}

// ---- streams ----

void Answering::begin_stream() {
  HttpResponse head{200, task_.headers, ""};
  head.headers.emplace_back("Content-Type", "text/event-stream");
  head.headers.emplace_back("Cache-Control", "no-cache");
  head.headers.emplace_back("X-Accel-Buffering", "no");  // nginx: pass every event on at once
  for (size_t choice = 0; choice < choices_.size(); ++choice) {
    const auto index = static_cast<int64_t>(choice);
    if (task_.head.kind == AnswerKind::kChat)
      head.body += event_line(first_event(task_.head, index));
    else if (task_.echo)
      head.body += event_line(text_event(task_.head, index, prompt_of(choice).echo, nullptr));
  }
  responder_->begin(std::move(head), kPing);
}

// What the answer says under "minillm".
AnswerJson Answering::own_json() const {
  AnswerJson own = {{"seed", *task_.request.seed}};
  if (!task_.notes) return own;
  AnswerJson& notes = own["notes"] = AnswerJson::array();
  for (const Note& note : task_.notes->notes)
    notes.push_back({{"text", note.text}, {"source", note.source}, {"score", note.score}});
  own["notes_dropped"] = task_.notes->dropped;
  return own;
}

void Answering::send_event(const AnswerJson& event) { responder_->write(event_line(event)); }

void Answering::on_token(size_t choice, const TokenEvent& event) {
  const std::lock_guard lock(mutex_);
  if (!first_token_) first_token_ = Clock::now();
  if (over_ || task_.request.max_tokens == 0) return;
  Choice& own = choices_[choice];
  std::string_view text = event.text;
  if (task_.head.kind == AnswerKind::kChat && !own.spoke) {
    own.spoke = !text.empty();
    text = strip_template_space(text);
  }
  AnswerJson scores;
  if (task_.request.config.log_probs && !event.is_end) {
    const TokenScore score{event.token, event.log_prob, event.top};
    scores = scores_json({&score, 1}, own.offset);
    own.offset += count_characters(token_text(model_.tokenizer, event.token));
  }
  if (text.empty() && scores.is_null()) return;
  send_event(text_event(task_.head, static_cast<int64_t>(choice), std::string(text), scores));
}

// ---- the end ----

void Answering::on_end(size_t choice, Generation&& generation) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  if (generation.reason == StopReason::kInterrupted)
    return fail({503, "server: it is stopping: the answer was broken off"});
  const bool unsaid = task_.request.max_tokens == 0;
  if (unsaid) {
    generation.text.clear();
    generation.tokens.clear();
    generation.end_token.reset();
    generation.reason = StopReason::kMaxTokens;
  }
  Choice& own = choices_[choice];
  const AnswerPrompt& prompt = prompt_of(choice);
  const bool chat = task_.head.kind == AnswerKind::kChat;
  usage_.completion_tokens += std::ssize(generation.tokens) + (generation.end_token ? 1 : 0);
  if (choice % static_cast<size_t>(task_.request.choices) == 0)
    usage_.cached_tokens += generation.cached_tokens;
  own.answer.finish = finish_reason(generation.reason);
  if (!task_.request.stream) {
    own.answer.text =
        chat ? std::string(strip_template_space(generation.text)) : prompt.echo + generation.text;
    if (task_.request.config.log_probs)
      own.answer.log_probs = scores_json(scores_of(generation, prompt), 0);
  }
  if (task_.request.return_token_ids) own.answer.ids = generation.tokens;
  if (task_.request.stream)
    send_event(finish_event(task_.head, static_cast<int64_t>(choice), own.answer, own_json()));
  own.ended = true;
  if (--unfinished_ == 0) finish();
}

void Answering::finish() {
  over_ = true;
  const Clock::time_point now = Clock::now(), first = first_token_.value_or(now);
  usage_.prompt_ms = milliseconds(first - begun_);
  usage_.completion_ms = milliseconds(now - first);
  if (task_.request.stream) {
    if (task_.request.include_usage) send_event(usage_event(task_.head, usage_));
    responder_->write(kLastEvent);
    responder_->end();
    return;
  }
  std::vector<AnswerChoice> answers;
  for (Choice& choice : choices_) answers.push_back(std::move(choice.answer));
  HttpResponse response{200, task_.headers,
                        to_line(whole_answer(task_.head, answers, usage_, own_json()))};
  response.headers.emplace_back("Content-Type", "application/json");
  responder_->send(std::move(response));
}

// The scores of what the answer shows: of the prompt, too, where it is part of that.
std::vector<TokenScore> Answering::scores_of(const Generation& generation,
                                             const AnswerPrompt& prompt) const {
  std::vector<TokenScore> scores;
  if (task_.echo) {
    scores.push_back({prompt.tokens.front(), {}, {}});
    for (size_t i = 0; i < generation.prompt_log_probs.size(); ++i) {
      scores.push_back({prompt.tokens[i + 1], generation.prompt_log_probs[i], {}});
      if (!generation.prompt_top.empty()) scores.back().top = generation.prompt_top[i];
    }
  }
  for (size_t i = 0; i < generation.tokens.size(); ++i) {
    scores.push_back({generation.tokens[i], generation.log_probs[i], {}});
    if (!generation.top.empty()) scores.back().top = generation.top[i];
  }
  return scores;
}

AnswerJson Answering::scores_json(std::span<const TokenScore> scores, int64_t offset) const {
  return task_.head.kind == AnswerKind::kChat
             ? chat_log_probs(model_.tokenizer, scores)
             : completion_log_probs(model_.tokenizer, scores, offset);
}

void Answering::fail(const ApiError& error) {
  if (over_) return;
  over_ = true;
  if (task_.request.stream) {
    responder_->write("data: " + error.json() + "\n\n");  // and no [DONE]
    responder_->break_off();
  } else {
    HttpResponse response = error_response(error);
    response.headers.insert(response.headers.end(), task_.headers.begin(), task_.headers.end());
    responder_->send(std::move(response));
  }
  cancel_all();
}

void Answering::leave() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  cancel_all();
}

void Answering::cancel_all() {
  for (const RequestId id : ids_) model_.engine->cancel(id);
  thread_.wake();
}

}  // namespace minillm
