#include "libminillm/serve/answering.h"

#include <random>
#include <utility>

#include <fmt/format.h>

#include "libminillm/generate/chat.h"  // strip_template_space
#include "libminillm/serve/http_text.h"

namespace minillm {

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
  if (task_.refused) return refuse();
  {
    const std::lock_guard lock(mutex_);  // the first tokens wait until the head is there
    begin_choices();
    try {
      for (size_t choice = 0; choice < choices_.size(); ++choice) submit(choice);
    } catch (const Error& error) {
      over_ = true;
      cancel_all();
      throw as_api_error(error);
    }
    if (task_.request.stream) begin_stream();
  }
  thread_.wake();
  responder_->on_client_gone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->leave();
  });
}

void Answering::begin_choices() {
  for (size_t choice = 0; choice < choices_.size(); ++choice) {
    if (task_.policy != nullptr) choices_[choice].screen.emplace(*task_.policy);
    if (task_.reads_calls) make_reader(choice);
    if (task_.echo) choices_[choice].answer.text = prompt_of(choice).echo;
  }
}

// No model is asked: every choice is what the rule says.
void Answering::refuse() {
  const std::lock_guard lock(mutex_);
  if (task_.request.stream) begin_stream();
  for (size_t choice = 0; choice < choices_.size(); ++choice) {
    choices_[choice].text = task_.refused->text;
    send_piece(choice, nullptr);
    end_refused(choice, *task_.refused);
  }
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
  if (task_.request.stream || task_.policy != nullptr || task_.reads_calls)
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

// What the answer says under "minillm", of one choice or of the first one that a rule refused.
AnswerJson Answering::own_json(const Choice& choice) const {
  AnswerJson own = {{"seed", *task_.request.seed}};
  own["policy"] = nullptr;
  if (choice.refused)
    own["policy"] = {{"rule", choice.refused->rule},
                     {"where", policy_place_name(choice.refused->place)}};
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
  Choice& own = choices_[choice];
  if (over_ || own.ended || task_.request.max_tokens == 0) return;
  ++own.tokens;
  if (own.reader) {
    read_calls(choice, event.text, event.token);
  } else {
    std::string_view text = event.text;
    if (task_.head.kind == AnswerKind::kChat && !own.spoke) {
      own.spoke = !text.empty();
      text = strip_template_space(text);
    }
    own.text = text;
  }
  if (own.screen) {
    own.text = own.screen->push(own.text);
    send_piece(choice, nullptr);
    if (own.screen->verdict()) {
      model_.engine->cancel(ids_[choice]);
      end_refused(choice, *own.screen->verdict());
    }
    return;
  }
  AnswerJson scores;
  if (task_.request.config.log_probs && !event.is_end) {
    const TokenScore score{event.token, event.log_prob, event.top};
    scores = scores_json({&score, 1}, own.offset);
    own.offset += count_characters(token_text(model_.tokenizer, event.token));
  }
  send_piece(choice, scores);
}

// Sends what has become certain of a choice, or keeps it for the whole answer.
void Answering::send_piece(size_t choice, const AnswerJson& scores) {
  Choice& own = choices_[choice];
  if (!task_.request.stream) {
    own.answer.text += std::exchange(own.text, "");
    return;
  }
  if (!own.text.empty() || !scores.is_null())
    send_event(text_event(task_.head, static_cast<int64_t>(choice), own.text, scores));
  own.text.clear();
  if (!own.screen) send_calls(choice);
}

void Answering::send_calls(size_t choice) {
  for (const AnswerJson& event : std::exchange(choices_[choice].calls, {})) send_event(event);
}

void Answering::make_reader(size_t choice) {
  const auto index = static_cast<int64_t>(choice);
  Choice& own = choices_[choice];
  own.reader = std::make_unique<ToolCallReader>(
      model_.tokenizer,
      ToolCallEvents{
          .on_text = [&own](std::string_view text) { own.text += text; },
          .on_call =
              [this, &own, index](size_t call, const std::string& name) {
                own.calls.push_back(call_event(task_.head, index, call, {name, "", call_id()}));
              },
          .on_arguments =
              [this, &own, index](size_t call, std::string_view piece) {
                own.calls.push_back(arguments_event(task_.head, index, call, piece));
              }});
}

std::string Answering::call_id() {
  std::random_device device;
  return fmt::format("call_{:08x}{:08x}{:08x}", device(), device(), device());
}

// Text goes to the reader, and marks of tools, which are none; no token: the answer has ended.
void Answering::read_calls(size_t choice, std::string_view text, std::optional<Token> token) {
  ToolCallReader& reader = *choices_[choice].reader;
  reader.push(text);
  if (!token) return reader.finish();
  if (const std::string_view mark = tool_mark(model_.tokenizer, *token); !mark.empty())
    reader.push_mark(mark);
}

}  // namespace minillm
