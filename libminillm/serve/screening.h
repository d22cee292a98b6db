// Screening: a policy's rules on what the server is asked, what it looks up, and what it says.

#ifndef LIBMINILLM_SERVE_SCREENING_H_
#define LIBMINILLM_SERVE_SCREENING_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/policy/policy.h"
#include "libminillm/policy/text_filter.h"
#include "libminillm/serve/engine_thread.h"
#include "libminillm/serve/models.h"

namespace minillm {

// A chat's request. What the policy's rules ask a model is asked the one that would answer, in its
// engine, as `owner`; the caller waits. Throws ApiError: 429 if the engine is busy, 503 if it
// stops, 400 if the chat does not fit.
Policy::ScreenedRequest screen_chat(const Policy& policy, const ServedModel& model,
                                    EngineThread& thread, const std::string& owner,
                                    std::vector<Message> messages);

// Calls of tools, as their JSON spells them: also a rule that would replace refuses them, since
// what it puts in need be no argument.
std::optional<PolicyVerdict> screen_calls(const Policy& policy, const std::vector<ToolCall>& calls);

// An answer that arrives in pieces.
class ScreenedAnswer {
 public:
  // The policy must outlive it.
  explicit ScreenedAnswer(const Policy& policy) : filter_(policy, PolicyPlace::kOutput) {}

  // What may be told now; when a rule refuses, its text, and then nothing.
  std::string push(std::string_view piece);
  std::string finish();
  const std::optional<PolicyVerdict>& verdict() const { return verdict_; }

 private:
  std::string with_verdict(std::string told);

  TextFilter filter_;
  std::optional<PolicyVerdict> verdict_;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_SCREENING_H_
