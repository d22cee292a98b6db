#include "libminillm/generate/generation.h"

#include "libminillm/core/check.h"

namespace minillm {

void GenerationConfig::validate() const {
  sampling.validate();
  MINILLM_CHECK_USAGE(max_tokens > 0, "max_tokens: expected 1 or more, got {}", max_tokens);
  MINILLM_CHECK_USAGE(top_log_probs >= 0 && top_log_probs <= 20,
                      "top_log_probs: expected 0 (none) to 20, got {}", top_log_probs);
}

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEndToken:
      return "end_token";
    case StopReason::kStopString:
      return "stop_string";
    case StopReason::kMaxTokens:
      return "max_tokens";
    case StopReason::kContextFull:
      return "context_full";
    case StopReason::kInterrupted:
      return "interrupted";
  }
  return "unknown";
}

}  // namespace minillm
