// How an answer ends: whole, refused, failed, or with nobody to hear it.

#include <algorithm>
#include <utility>

#include "libminillm/generate/chat.h"  // strip_template_space
#include "libminillm/serve/answering.h"
#include "libminillm/serve/http_text.h"

namespace minillm {
namespace {

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

void Answering::on_end(size_t choice, Generation&& generation) {
  const std::lock_guard lock(mutex_);
  if (over_ || choices_[choice].ended) return;
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
  own.tokens = std::ssize(generation.tokens) + (generation.end_token ? 1 : 0);
  if (choice % static_cast<size_t>(task_.request.choices) == 0)
    usage_.cached_tokens += generation.cached_tokens;
  own.answer.finish = finish_reason(generation.reason);
  if (own.reader) read_calls(choice, "", std::nullopt);
  std::optional<PolicyVerdict> refused;
  if (own.screen) {
    own.text = own.screen->push(own.text);
    own.text += own.screen->finish();
    refused = own.screen->verdict();
  }
  if (own.screen || own.reader) send_piece(choice, nullptr);
  if (own.reader && !refused) refused = end_calls(choice, generation);
  if (refused) return end_refused(choice, *refused);
  if (!task_.request.stream) {
    if (!task_.reads_calls && !own.screen)
      own.answer.text +=
          chat ? std::string(strip_template_space(generation.text)) : generation.text;
    if (task_.request.config.log_probs)
      own.answer.log_probs = scores_json(scores_of(generation, prompt), 0);
  }
  if (task_.request.return_token_ids) own.answer.ids = generation.tokens;
  end_choice(choice);
}

void Answering::end_refused(size_t choice, const PolicyVerdict& verdict) {
  choices_[choice].refused = verdict;
  choices_[choice].answer.finish = "content_filter";
  end_choice(choice);
}

void Answering::end_choice(size_t choice) {
  Choice& own = choices_[choice];
  usage_.completion_tokens += own.tokens;
  if (task_.request.stream)
    send_event(finish_event(task_.head, static_cast<int64_t>(choice), own.answer, own_json(own)));
  own.ended = true;
  if (--unfinished_ == 0) finish();
}

// What is called, once all is there. An answer that is cut calls nothing: as a whole it is a text.
std::optional<PolicyVerdict> Answering::end_calls(size_t choice, const Generation& generation) {
  Choice& own = choices_[choice];
  AnswerChoice& answer = own.answer;
  std::optional<PolicyVerdict> refused;
  if (!task_.request.stream && own.reader->broken()) {
    answer.text = read_answer(model_.tokenizer, generation.tokens).content;
    if (!own.screen) return refused;
    Policy::Screened screened = task_.policy->screen(PolicyPlace::kOutput, answer.text);
    answer.text = screened.refused ? screened.refused->text : std::move(screened.text);
    return screened.refused;
  }
  std::vector<ToolCall> calls = own.reader->calls();
  if (own.screen) refused = screen_calls(*task_.policy, calls);
  if (refused) {
    own.text = refused->text;
    send_piece(choice, nullptr);
    return refused;
  }
  if (task_.request.stream) send_calls(choice);
  for (ToolCall& call : calls) call.id = call_id();
  if (!calls.empty() && answer.finish == "stop") answer.finish = "tool_calls";
  answer.calls = std::move(calls);
  return refused;
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
  const auto refused = std::ranges::find_if(
      choices_, [](const Choice& choice) { return choice.refused.has_value(); });
  const AnswerJson own = own_json(refused == choices_.end() ? choices_.front() : *refused);
  std::vector<AnswerChoice> answers;
  for (Choice& choice : choices_) answers.push_back(std::move(choice.answer));
  HttpResponse response{200, task_.headers,
                        to_line(whole_answer(task_.head, answers, usage_, own))};
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
