#include "libminillm/serve/screening.h"

#include <future>
#include <memory>
#include <utility>

#include "libminillm/data/chat_template.h"
#include "libminillm/serve/api_error.h"

namespace minillm {
namespace {

// log p(answer | prompt), as the engine scores a prompt.
std::future<double> score(const ServedModel& model, const std::string& owner,
                          const std::vector<Token>& prompt, const std::vector<Token>& answer) {
  EngineRequest request{
      .prompt = prompt, .owner = owner, .adapter = model.adapter, .own_adapter = false};
  request.prompt.insert(request.prompt.end(), answer.begin(), answer.end());
  request.config.max_tokens = 1;
  request.config.prompt_log_probs = true;
  const auto promise = std::make_shared<std::promise<double>>();
  const size_t count = answer.size();
  const auto stops = [promise] {
    promise->set_exception(
        std::make_exception_ptr(ApiError(503, "server: it is stopping: nothing was answered")));
  };
  RequestEvents events;
  events.on_end = [promise, count, stops](Generation&& generation) {
    if (generation.reason == StopReason::kInterrupted) return stops();
    double sum = 0;
    for (size_t i = generation.prompt_log_probs.size() - count;
         i < generation.prompt_log_probs.size(); ++i)
      sum += double{generation.prompt_log_probs[i]};
    promise->set_value(sum);
  };
  events.on_error = [promise](const Error& error) {
    promise->set_exception(std::make_exception_ptr(ApiError(500, error.what())));
  };
  model.engine->submit(std::move(request), std::move(events));
  return promise->get_future();
}

}  // namespace

Policy::ScreenedRequest screen_chat(const Policy& policy, const ServedModel& model,
                                    EngineThread& thread, const std::string& owner,
                                    std::vector<Message> messages) {
  return policy.screen_request(
      std::move(messages), [&](const PolicyRule& rule, const std::vector<Message>& asked) {
        try {
          const std::vector<Token> prompt = render_prompt(model.tokenizer, asked);
          std::vector<std::future<double>> scores;
          for (const std::string& beginning : {rule.refusal, rule.help}) {
            std::vector<Token> answer = render_answer(model.tokenizer, beginning);
            answer.pop_back();  // the end token: the answer may go on
            scores.push_back(score(model, owner, prompt, answer));
          }
          thread.wake();
          const double refusal = scores[0].get();
          return refusal - scores[1].get();
        } catch (const ApiError&) {
          throw;
        } catch (const Error& error) {
          throw as_api_error(error);
        } catch (const std::future_error&) {  // the engine is gone
          throw ApiError(503, "server: it is stopping: nothing was answered");
        }
      });
}

std::optional<PolicyVerdict> screen_calls(const Policy& policy,
                                          const std::vector<ToolCall>& calls) {
  for (const ToolCall& call : calls)
    for (const PolicyRule& rule : policy.rules())
      if (rule.applies_to(PolicyPlace::kOutput) &&
          contains_match(rule, call.name + " " + call.arguments))
        return PolicyVerdict{rule.name, PolicyPlace::kOutput, rule.text};
  return std::nullopt;
}

std::string ScreenedAnswer::push(std::string_view piece) {
  if (verdict_) return "";
  return with_verdict(filter_.push(piece));
}

std::string ScreenedAnswer::finish() {
  if (verdict_) return "";
  return with_verdict(filter_.finish());
}

std::string ScreenedAnswer::with_verdict(std::string told) {
  verdict_ = filter_.verdict();
  if (verdict_) told += verdict_->text;
  return told;
}

}  // namespace minillm
