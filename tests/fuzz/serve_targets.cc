#include "tests/fuzz/serve_targets.h"

#include <algorithm>
#include <memory>

#include "libminillm/core/utf8.h"
#include "libminillm/serve/http.h"
#include "libminillm/serve/request.h"
#include "tests/fuzz/helpers.h"
#include "tests/testing/raw_client.h"

namespace minillm_testing {
namespace {

using namespace minillm;

void check_text_request(const TextRequest& request) {
  const SamplingConfig& sampling = request.config.sampling;
  require(sampling.temperature >= 0 && sampling.temperature <= 2);
  require(sampling.top_p >= 0 && sampling.top_p <= 1 && sampling.min_p >= 0);
  require(request.choices >= 1 && request.choices <= kMaxChoices);
  require(request.config.top_log_probs >= 0 && request.config.top_log_probs <= kMaxTopLogProbs);
  require(!request.max_tokens || *request.max_tokens >= 0);
  for (const std::string& stop : request.config.stop) require(!stop.empty() && is_valid_utf8(stop));
}

// One for all inputs; its answers tell what it has read.
HttpServer& server() {
  static HttpServer one(HttpConfig{},
                        [](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
                          require(!request.method.empty() && !request.target.empty());
                          if (request.path() != "/stream") {
                            responder->send({200, {}, request.method + request.body});
                            return;
                          }
                          responder->begin({200, {}, "first"}, "");
                          responder->write(request.body);
                          responder->end();
                        });
  return one;
}

}  // namespace

void api_request(std::string_view bytes) {
  accepted([&] {
    const ChatRequest request = parse_chat_request(bytes, {});
    check_text_request(request);
    require(!request.messages.empty());
    for (const Message& message : request.messages) require(is_valid_utf8(message.content));
    for (const Tool& must : request.must_call)
      require(std::ranges::any_of(request.tools,
                                  [&](const Tool& tool) { return tool.name == must.name; }));
  });
  accepted([&] {
    const CompletionRequest request = parse_completion_request(bytes, {});
    check_text_request(request);
    require(!request.prompts.empty() && request.max_tokens.has_value());
  });
}

std::vector<std::string> api_request_seeds() {
  return {
      R"({"model": "dpo", "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "a"}]}], "stream": true, "stream_options": {"include_usage": true}})",
      R"({"messages": [{"role": "user", "content": "2 and 3?"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 2}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "5"}], "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}], "tool_choice": {"type": "function", "function": {"name": "add"}}, "parallel_tool_calls": false})",
      R"({"messages": [{"role": "developer", "content": "x"}], "temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "logit_bias": {"7": -100}, "seed": 5, "n": 2, "max_completion_tokens": 9, "logprobs": true, "top_logprobs": 3, "stop": ["\n", "x"]})",
      R"({"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}, "minillm": {"notes": false, "policy": true, "weights": "int8", "return_token_ids": true}})",
      R"({"prompt": ["The", "street"], "echo": true, "logprobs": 2, "max_tokens": 0, "minillm": {"regex": "[a-z]+"}})",
      R"({"prompt": [1, 2, 3], "best_of": 1, "suffix": null, "stop": "end"})"};
}

void http_bytes(std::string_view bytes) {
  RawClient client(server().port());
  client.send(bytes);
  client.stop_sending();
  const std::string answer = client.receive_all();
  require(answer.empty() || answer.starts_with("HTTP/1."));
  static int count = 0;
  if (++count % 64 != 0) return;
  const RawResponse next = RawClient(server().port()).ask("GET", "/", "", "");
  require(next.status == 200 && next.body == "GET");
}

std::vector<std::string> http_bytes_seeds() {
  return {
      "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
      "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: "
      "100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nOrigin: http://x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
}

}  // namespace minillm_testing
