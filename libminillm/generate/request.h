// EngineRequest: what is asked of the engine, how its caller follows it, and why it is refused.

#ifndef LIBMINILLM_GENERATE_REQUEST_H_
#define LIBMINILLM_GENERATE_REQUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/error.h"
#include "libminillm/generate/generation.h"
#include "libminillm/nn/adapter.h"

namespace minillm {

using RequestId = uint64_t;  // never 0

struct EngineRequest {
  std::vector<Token> prompt;
  GenerationConfig config = {};  // without `weights`, which are the engine's
  // Keys and values are shared among requests of one owner only; empty: with none. The time to the
  // first token would tell one user what another has asked (CVE-2025-46570).
  std::string owner = {};
  // In place of the model's own; null: that one, if it has one and `own_adapter`. It must not
  // change any more: the cache keeps it and what came of it.
  std::shared_ptr<const Adapter> adapter = {};
  bool own_adapter = true;
};

// A token of a text, just chosen. What it points at is valid during the call.
struct TokenEvent {
  Token token = 0;
  bool is_end = false;  // the end token, which is not part of the answer
  // Whole characters that are certain by now, may be empty: never a part of a stop string. All of
  // a request's together are its Generation::text; after cancel() only the beginning of it.
  std::string_view text = {};
  std::optional<Real> log_prob = {};      // as Generation's, if asked for
  std::span<const ScoredToken> top = {};  // as Generation's
};

// How the caller of submit() follows it; each may be empty. They are called in the engine's thread,
// from step(), and may call submit() and cancel(). The last call is on_end or on_error. One that
// throws ends its request without another call, and step() throws it when the others are served.
struct RequestEvents {
  std::function<void(const TokenEvent&)> on_token = {};
  std::function<void(Generation&&)> on_end = {};
  // This request alone failed (a logit that is not finite).
  std::function<void(const Error&)> on_error = {};
};

// What submit() throws where the caller may do something about it; anything else is a plain Error.
class RequestRefused : public Error {
 public:
  enum class Reason {
    kBusy,     // the queue is full: later, perhaps
    kTooLong,  // the prompt does not fit into the context
  };
  RequestRefused(Reason reason, const std::string& message) : Error(message), reason_(reason) {}
  Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

// What a prompt must be to be continued; `subject` begins the message: "prompt", "prompt 3".
//   rows            of the cache, for virtual tokens, prompt and continuation
//   virtual_tokens  of its adapter
// Throws RequestRefused if it is too long, Error if it is empty or has an id outside [0, V).
void check_prompt(std::span<const Token> prompt, const std::string& subject,
                  const ModelConfig& model, Index rows, Index virtual_tokens);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_REQUEST_H_
