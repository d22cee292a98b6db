// Answering: one request on its way: its choices in the engine, its answer to the client.

#ifndef LIBMINILLM_SERVE_ANSWERING_H_
#define LIBMINILLM_SERVE_ANSWERING_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libminillm/data/notes.h"
#include "libminillm/data/tool_calls.h"
#include "libminillm/serve/answer.h"
#include "libminillm/serve/api_error.h"
#include "libminillm/serve/engine_thread.h"
#include "libminillm/serve/http.h"
#include "libminillm/serve/models.h"
#include "libminillm/serve/request.h"
#include "libminillm/serve/screening.h"

namespace minillm {

struct AnswerPrompt {
  std::vector<Token> tokens;
  std::string echo = {};  // what the answer begins with
};

struct AnswerTask {
  AnswerHead head;
  TextRequest request;  // with its seed
  std::vector<AnswerPrompt> prompts;
  bool echo = false;
  bool reads_calls = false;  // of tools, in what the model says
  std::string owner = {};
  std::optional<NotedPrompt> notes = {};      // what was looked up for a chat
  HttpHeaders headers = {};                   // of the answer
  const Policy* policy = nullptr;             // what screens the answer; null: nothing does
  std::optional<PolicyVerdict> refused = {};  // what was asked: this is the answer, then
};

// Lives as long as the engine has a choice of it. Its methods run in several threads: start() in
// the one that reads requests, the engine's callbacks, and the server's when the client leaves.
class Answering : public std::enable_shared_from_this<Answering> {
 public:
  Answering(AnswerTask task, const ServedModel& model, EngineThread& thread,
            std::shared_ptr<HttpResponder> responder);

  // Hands all choices to the engine. Throws ApiError if it does not take them: 400, 429.
  void start();

 private:
  using Clock = std::chrono::steady_clock;

  // A choice on its way.
  struct Choice {
    AnswerChoice answer;
    bool spoke = false;                           // some text has been sent
    std::unique_ptr<ToolCallReader> reader = {};  // where tools may be called
    std::string text = {};                        // what the reader takes for text, to be sent
    std::vector<AnswerJson> calls = {};           // ... and for calls: events to be sent
    int64_t offset = 0;                           // characters of the tokens so far
    int64_t tokens = 0;
    std::optional<ScreenedAnswer> screen = {};
    std::optional<PolicyVerdict> refused = {};
    bool ended = false;
  };

  void begin_choices();
  void refuse();
  void submit(size_t choice);
  const AnswerPrompt& prompt_of(size_t choice) const;
  void begin_stream();
  void on_token(size_t choice, const TokenEvent& event);
  void send_piece(size_t choice, const AnswerJson& scores);
  void send_calls(size_t choice);
  void make_reader(size_t choice);
  static std::string call_id();
  void read_calls(size_t choice, std::string_view text, std::optional<Token> token);
  std::optional<PolicyVerdict> end_calls(size_t choice, const Generation& generation);
  void on_end(size_t choice, Generation&& generation);
  void end_refused(size_t choice, const PolicyVerdict& verdict);
  void end_choice(size_t choice);
  void fail(const ApiError& error);
  void leave();
  void cancel_all();
  void finish();
  void send_event(const AnswerJson& event);
  AnswerJson own_json(const Choice& choice) const;
  AnswerJson scores_json(std::span<const TokenScore> scores, int64_t offset) const;
  std::vector<TokenScore> scores_of(const Generation& generation, const AnswerPrompt& prompt) const;

  const AnswerTask task_;
  const ServedModel& model_;
  EngineThread& thread_;
  const std::shared_ptr<HttpResponder> responder_;
  const Clock::time_point begun_ = Clock::now();

  std::mutex mutex_;  // guards the rest
  std::vector<Choice> choices_;
  std::vector<RequestId> ids_;  // in the engine
  size_t unfinished_ = 0;
  bool over_ = false;  // answered, failed, or nobody waits any more
  AnswerUsage usage_;
  std::optional<Clock::time_point> first_token_;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_ANSWERING_H_
