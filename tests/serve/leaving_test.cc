// Clients that leave, queues that are full, servers that stop: what is no longer wanted ends at
// once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/test_server.h"

namespace minillm {
namespace {

using minillm_testing::events_of;
using minillm_testing::json;
using minillm_testing::RawClient;
using minillm_testing::RawResponse;
using minillm_testing::TestServer;
using namespace std::chrono_literals;

// Answers that would take minutes: the context is long, and the end is never said.
class Leaving : public testing::Test {
 protected:
  Leaving() : server(30000) {
    server.config.engine.slots = 2;
    server.config.engine.queue = 3;
    server.config.engine.prompt_rows = 16;
    server.start();
  }
  static std::string endless(bool stream, const std::string& prompt = "the") {
    json bias;
    for (const Token token : minillm_testing::toy_tokenizer().end_tokens())
      bias[std::to_string(token)] = -100;
    return RawClient::request(
        "POST", "/v1/completions",
        json{{"prompt", prompt}, {"max_tokens", 1000000}, {"stream", stream}, {"logit_bias", bias}}
            .dump());
  }
  bool cancelled(int64_t count) {
    return TestServer::soon([&] { return server.counters().cancelled == count; });
  }
  bool running(Index count, Index waiting = 0) {
    return TestServer::soon([&] {
      const EngineCounters counters = server.counters();
      return counters.running == count && counters.waiting == waiting;
    });
  }

  TestServer server;
};

TEST_F(Leaving, EndsWhatItAskedFor) {
  int64_t count = 0;
  for (const bool stream : {false, true}) {
    RawClient client(server.port());
    client.send(endless(stream));
    ASSERT_TRUE(running(1));
    if (stream) {
      EXPECT_TRUE(client.receive_until("data: "));
    }
    client.close();
    EXPECT_TRUE(cancelled(++count)) << stream;
    EXPECT_TRUE(running(0));
    const int64_t steps = server.counters().steps;
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(server.counters().steps, steps) << "the engine goes on";
  }
}

TEST_F(Leaving, EndsWhatWaitsAndWhatReadsItsPrompt) {
  RawClient first(server.port()), second(server.port()), third(server.port());
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "goat ";
  first.send(endless(false, words));  // in portions of 16: 25,000 bytes take a while
  second.send(endless(true));
  ASSERT_TRUE(running(2));
  third.send(endless(false));
  ASSERT_TRUE(running(2, 1));
  third.close();
  EXPECT_TRUE(cancelled(1));
  ASSERT_TRUE(running(2, 0));
  first.reset();
  EXPECT_TRUE(cancelled(2));
  ASSERT_TRUE(running(1));
  second.close();
  EXPECT_TRUE(cancelled(3));
}

TEST_F(Leaving, TheQueueIsBounded) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (Index i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(endless(i % 2 == 0));
    // Each has reached its slot before the next one comes: what waits for a step is in the queue.
    ASSERT_TRUE(running(std::min<Index>(i + 1, 2), std::max<Index>(i - 1, 0)));
  }
  const RawResponse busy = server.post("/v1/completions", {{"prompt", "a"}});
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.header("Retry-After"), "1");
  EXPECT_EQ(json::parse(busy.body)["error"]["type"], "rate_limit_error");
  // One that fits only in part leaves nothing behind.
  clients.pop_back();
  ASSERT_TRUE(running(2, 2));
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}, {"n", 2}}).status, 429);
  EXPECT_TRUE(running(2, 2));
  EXPECT_EQ(server.ask("GET", "/health").status, 200);
  clients.clear();
  EXPECT_TRUE(running(0));
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}, {"n", 2}}).status, 200);
}

TEST_F(Leaving, AShortAnswerDoesNotWaitForALongOne) {
  RawClient endless_one(server.port());
  endless_one.send(endless(true));
  ASSERT_TRUE(running(1));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(server.post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 5}}).status, 200);
}

TEST_F(Leaving, StoppingDrainsWhatIsUnderWay) {
  RawClient client(server.port());
  client.send(
      RawClient::request("POST", "/v1/completions",
                         json{{"prompt", "the"}, {"max_tokens", 300}, {"stream", true}}.dump()));
  ASSERT_TRUE(client.receive_until("data: "));
  server.service->stop();
  EXPECT_TRUE(server.http->drain(10s));
  const RawResponse response = client.response();
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(events_of(response.body).back(), "[DONE]");
}

TEST_F(Leaving, StoppingBreaksOffWhatDoesNotEnd) {
  RawClient client(server.port());
  client.send(endless(true));
  ASSERT_TRUE(client.receive_until("data: "));
  EXPECT_FALSE(server.http->drain(50ms));
  server.http.reset();
  const RawResponse response = client.response();
  EXPECT_FALSE(response.complete);
  EXPECT_TRUE(cancelled(1));
}

}  // namespace
}  // namespace minillm
