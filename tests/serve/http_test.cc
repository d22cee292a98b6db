// The HTTP server under clients that are clumsy, slow, gone or hostile, over real sockets.

#include "libminillm/serve/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "libminillm/serve/api_error.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/raw_client.h"

namespace minillm {
namespace {

using minillm_testing::RawClient;
using minillm_testing::RawResponse;
using namespace std::chrono_literals;
using testing::HasSubstr;

// An event that another thread waits for.
class Flag {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    set_ = false;
  }
  bool wait(std::chrono::milliseconds timeout = 5s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// /echo answers with the request; /hold keeps the responder for the test; /throw... throws.
class Http : public testing::Test {
 protected:
  void start(const HttpLimits& limits = {}) {
    server.emplace(HttpConfig{"127.0.0.1", 0, limits},
                   [this](HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
                     handle(std::move(request), std::move(responder));
                   });
  }
  void handle(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
    if (request.path() == "/hold") {
      responder->on_client_gone([this] { gone.set(); });
      const std::lock_guard lock(mutex);
      held = std::move(responder);
      arrived.set();
      return;
    }
    if (request.path() == "/drop") return;
    if (request.path() == "/threads") {
      responder->begin({200}, "");
      for (const char* chunk : {"one ", "two ", "three"})
        std::thread([&] { responder->write(chunk); }).join();
      return responder->end();
    }
    if (request.path() == "/throw") throw std::runtime_error("the handler is broken");
    if (request.path() == "/refuse") throw ApiError(429, "queue: full");
    responder->send({200,
                     {{"Content-Type", "text/plain"}},
                     request.method + " " + request.target + " " +
                         std::string(request.header("HOST")) + "\n" + request.body});
  }
  std::shared_ptr<HttpResponder> take_held() {
    EXPECT_TRUE(arrived.wait());
    const std::lock_guard lock(mutex);
    return std::exchange(held, nullptr);
  }
  uint16_t port() const { return server->port(); }

  std::mutex mutex;
  std::shared_ptr<HttpResponder> held;
  Flag arrived, gone;
  std::optional<HttpServer> server;  // the last member: its thread uses the others
};

void expect_api_error(const RawResponse& response, int status, const std::string& message) {
  EXPECT_EQ(response.status, status);
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  ASSERT_TRUE(json.is_object()) << response.body;
  EXPECT_THAT(json["error"]["message"], HasSubstr(message));
  EXPECT_TRUE(json["error"]["type"].is_string());
}

// ---- requests and answers ----

TEST_F(Http, AnswersSeveralRequestsOnOneConnection) {
  start();
  RawClient client(port());
  for (const char* body : {"one", "", "three"}) {
    const RawResponse response = client.ask("POST", "/echo?x=1", body);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, std::string("POST /echo?x=1 localhost\n") + body);
    EXPECT_FALSE(response.header("Date").empty());
  }
}

TEST_F(Http, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold", "first") +
              RawClient::request("POST", "/echo", "second") +
              RawClient::request("GET", "/echo", "third"));
  const auto responder = take_held();
  EXPECT_FALSE(client.receive(100)) << "the second answer came before the first";
  responder->send({200, {}, "first"});
  EXPECT_EQ(client.response().body, "first");
  EXPECT_THAT(client.response().body, HasSubstr("second"));
  EXPECT_THAT(client.response().body, HasSubstr("third"));
}

TEST_F(Http, TakesABodyInPieces) {
  start();
  RawClient client(port());
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                     "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"))
    client.send({&byte, 1});
  EXPECT_EQ(client.response().body, "POST /echo x\nabcde");
}

TEST_F(Http, StreamsInChunks) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  auto responder = take_held();
  responder->begin({200, {{"Content-Type", "text/event-stream"}}}, "");
  responder->write("one\n");
  EXPECT_TRUE(client.receive_until("one\n")) << "the first chunk waits for others";
  responder->write("two\n");
  responder->end();
  const RawResponse response = client.response();
  EXPECT_EQ(response.body, "one\ntwo\n");
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(client.ask("GET", "/echo").status, 200);  // the connection goes on
}

TEST_F(Http, KeepsTheOrderOfCallsFromSeveralThreads) {
  start();
  EXPECT_EQ(RawClient(port()).ask("GET", "/threads").body, "one two three");
}

TEST_F(Http, SendsNoChunkFramesToHttp10) {
  start();
  RawClient client(port());
  client.send("POST /hold HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto responder = take_held();
  responder->begin({200}, "");
  responder->write("text");
  responder->end();
  const std::string answer = client.receive_all();
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\ntext"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST_F(Http, AnswersHeadWithoutABody) {
  start();
  RawClient client(port());
  const RawResponse response = client.ask("HEAD", "/echo");
  EXPECT_EQ(response.header("Content-Length"), "21");
  EXPECT_EQ(client.ask("GET", "/echo").body.substr(0, 3), "GET");  // nothing is left in between
}

TEST_F(Http, HonoursConnectionClose) {
  start();
  RawClient client(port());
  client.send(RawClient::request("GET", "/echo", "", "Connection: close\r\n"));
  EXPECT_THAT(client.receive_all(), HasSubstr("GET /echo"));
  EXPECT_TRUE(client.ended());
}

TEST_F(Http, SaysContinueToWhoWaitsForIt) {
  start();
  RawClient client(port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_TRUE(client.receive_until("HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("abc");
  EXPECT_TRUE(client.receive_until("POST /echo x\nabc"));
}

TEST_F(Http, TakesAWholeAddressAsTarget) {
  start();
  RawClient client(port());
  client.send("GET http://evil.example/echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.response().body, "GET /echo evil.example\n");
}

TEST_F(Http, TellsErrorsOfTheHandler) {
  start();
  RawClient client(port());
  expect_api_error(client.ask("GET", "/throw"), 500, "the handler is broken");
  const RawResponse refused = client.ask("GET", "/refuse");
  expect_api_error(refused, 429, "queue: full");
  EXPECT_EQ(refused.header("Retry-After"), "1");
  expect_api_error(client.ask("GET", "/drop"), 500, "given up");
}

TEST_F(Http, AnAbandonedStreamIsSeenToBeBroken) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  auto responder = take_held();
  responder->begin({200}, "");
  responder->write("half");
  responder.reset();
  const RawResponse response = client.response();
  EXPECT_EQ(response.body, "half");
  EXPECT_FALSE(response.complete);
  EXPECT_TRUE(client.ended());
}

TEST_F(Http, ALateAnswerGoesNowhere) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  responder->send({200, {}, "first"});
  responder->send({200, {}, "second"});
  responder->begin({200}, "");
  responder->write("third");
  EXPECT_EQ(client.response().body, "first");
  EXPECT_THAT(client.ask("GET", "/echo").body, HasSubstr("GET /echo"));
  responder->write("fourth");
  EXPECT_FALSE(client.receive(50));
}

// ---- what is not a request ----

struct Refused {
  const char* name;
  std::string request;
  int status;
};
class HttpRefuses : public Http, public testing::WithParamInterface<Refused> {};

TEST_P(HttpRefuses, WithAnErrorOfTheApi) {
  start();
  RawClient client(port());
  client.send(GetParam().request);
  expect_api_error(client.response(), GetParam().status, "");
  while (client.receive()) continue;
  EXPECT_TRUE(client.ended()) << "what follows could be taken for a request";
  EXPECT_EQ(client.received(), "");
}

const std::string kPost = "POST /echo HTTP/1.1\r\nHost: x\r\n";
INSTANTIATE_TEST_SUITE_P(
    Requests, HttpRefuses,
    testing::Values(
        Refused{"NoHttp", "\x16\x03\x01\x02\r\n\r\n", 400},
        Refused{"TwoLengths", kPost + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 400},
        Refused{
            "LengthAndChunks",
            kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
            400},
        Refused{"ANegativeLength", kPost + "Content-Length: -1\r\n\r\nabc", 400},
        Refused{"ALengthOfLetters", kPost + "Content-Length: abc\r\n\r\nabc", 400},
        Refused{"ANegativeChunk", kPost + "Transfer-Encoding: chunked\r\n\r\n-2\r\nabc\r\n", 400},
        Refused{"ASpaceBeforeTheColon", kPost + "Content-Length : 3\r\n\r\nabc", 400},
        Refused{"NoHost", "GET /echo HTTP/1.1\r\n\r\n", 400},
        Refused{"TwoHosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        Refused{"AnotherVersion", "GET /echo HTTP/3.1\r\nHost: a\r\n\r\n", 505},
        Refused{"ALongHeader", kPost + "X: " + std::string(20000, 'y') + "\r\n\r\n", 431},
        Refused{"ALongTarget", "GET /" + std::string(20000, 'y') + " HTTP/1.1\r\nHost: x\r\n\r\n",
                431},
        Refused{"ALongBody", kPost + "Content-Length: 1048577\r\n\r\n", 413},
        Refused{"ALongBodyThatIsSent",
                kPost + "Content-Length: 1048577\r\n\r\n" + std::string(1048577, 'z'), 413},
        Refused{"ALongBodyInChunks",
                kPost + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" + std::string(1200000, 'z'),
                413}),
    [](const auto& refused) { return refused.param.name; });

TEST_F(Http, KeepsNoneOfAFlood) {
  start();
  const auto resident = [] {
    std::ifstream file("/proc/self/statm");
    size_t all = 0, pages = 0;
    file >> all >> pages;
    return pages * 4096;
  };
  const size_t before = resident();
  for (const std::string& first :
       {kPost + "Transfer-Encoding: chunked\r\n\r\n4000000\r\n",            // a body in chunks
        kPost + "Transfer-Encoding: chunked\r\n\r\n1;", kPost + "X: y"}) {  // a frame, a header
    RawClient client(port());
    client.send(first);
    const std::string piece(65536, 'x');
    for (int i = 0; i < 1000 && client.send(piece); ++i) continue;
  }
  EXPECT_LT(resident(), before + (size_t{16} << 20));
  EXPECT_EQ(RawClient(port()).ask("GET", "/echo").status, 200);
}

// ---- clients that leave ----

TEST_F(Http, SeesAtOnceThatAClientHasLeft) {
  using Leave = void (RawClient::*)();
  for (const Leave leave : {&RawClient::close, &RawClient::reset, &RawClient::stop_sending}) {
    for (const bool streaming : {false, true}) {
      server.reset();
      arrived.clear();
      gone.clear();
      start();
      RawClient client(port());
      client.send(RawClient::request("POST", "/hold"));
      const auto responder = take_held();
      if (streaming) {
        responder->begin({200}, "");
        responder->write("text");
        client.receive_until("text");
      }
      EXPECT_FALSE(gone.wait(50ms));
      const auto left = std::chrono::steady_clock::now();
      (client.*leave)();
      EXPECT_TRUE(gone.wait());
      EXPECT_LT(std::chrono::steady_clock::now() - left, 500ms);
      responder->write("nobody reads this");
      responder->send({200});
    }
  }
}

TEST_F(Http, TellsItAlsoToWhoAsksTooLate) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  client.close();
  ASSERT_TRUE(gone.wait());
  Flag again, after_the_server;
  responder->on_client_gone([&] { again.set(); });
  EXPECT_TRUE(again.wait());
  server.reset();
  responder->on_client_gone([&] { after_the_server.set(); });
  EXPECT_TRUE(after_the_server.wait(0ms));
}

TEST_F(Http, DoesNotTellItOfAnAnswerThatIsComplete) {
  start();
  {
    RawClient client(port());
    client.send(RawClient::request("POST", "/hold"));
    take_held()->send({200, {}, "all of it"});
    EXPECT_EQ(client.response().body, "all of it");
  }
  RawClient(port()).ask("GET", "/echo");
  EXPECT_FALSE(gone.wait(50ms));
}

TEST_F(Http, AnswersAClientThatOnlyStopsSending) {
  start();
  RawClient client(port());
  client.send(RawClient::request("GET", "/echo"));
  client.stop_sending();
  EXPECT_THAT(client.receive_all(), HasSubstr("GET /echo"));
}

TEST_F(Http, DropsAClientThatSendsMoreThanAWholeRequestAhead) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  const std::string piece(65536, 'x');
  for (int i = 0; i < 200 && client.send(piece); ++i) continue;
  EXPECT_TRUE(gone.wait());
}

// ---- clients that are slow ----

TEST_F(Http, DropsAClientThatDoesNotReadAndKeepsTheOthers) {
  HttpLimits limits;
  limits.waiting_bytes = 100000;
  start(limits);
  RawClient client(port(), 4096);
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  responder->begin({200}, "");
  RawClient other(port());
  const std::string chunk(20000, 'x');
  bool dropped = false;
  for (int i = 0; i < 2000 && !dropped; ++i) {
    responder->write(chunk);
    if (i % 100 == 0) {
      EXPECT_EQ(other.ask("GET", "/echo").status, 200);
    }
    dropped = gone.wait(0ms);
  }
  EXPECT_TRUE(gone.wait());
}

TEST_F(Http, DropsAClientThatTakesNothingForTooLong) {
  HttpLimits limits;
  limits.write = 100ms;
  limits.waiting_bytes = size_t{64} << 20;
  start(limits);
  RawClient client(port(), 4096);
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  responder->begin({200}, "");
  responder->write(std::string(size_t{16} << 20, 'x'));
  EXPECT_TRUE(gone.wait());
}

TEST_F(Http, WaitsForAClientThatReadsSlowly) {
  HttpLimits limits;
  limits.write = 400ms;
  start(limits);
  RawClient client(port(), 100000);
  client.send(RawClient::request("POST", "/hold"));
  const std::string text(size_t{4} << 20, 'x');
  take_held()->send({200, {}, text});
  for (int i = 0; i < 15; ++i) {  // longer than the deadline in all
    std::this_thread::sleep_for(40ms);
    client.receive();
  }
  EXPECT_TRUE(client.response().body == text);
}

TEST_F(Http, EndsARequestThatDrips) {
  HttpLimits limits;
  limits.request = 300ms;
  start(limits);
  RawClient header(port()), body(port());
  header.send("GET /echo HTTP/1.1\r\nX: ");
  body.send(kPost + "Content-Length: 100\r\n\r\n");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(30ms);
    header.send("y");
    body.send("z");
    EXPECT_EQ(RawClient(port()).ask("GET", "/echo").status, 200);
  }
  expect_api_error(header.response(), 408, "within 0.3 s");
  expect_api_error(body.response(), 408, "within 0.3 s");
  while (header.receive() || body.receive()) continue;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(Http, ClosesConnectionsWithoutRequests) {
  HttpLimits limits;
  limits.idle = 200ms;
  start(limits);
  RawClient silent(port()), done(port());
  EXPECT_EQ(done.ask("GET", "/echo").status, 200);
  EXPECT_FALSE(silent.receive());
  EXPECT_FALSE(done.receive());
  EXPECT_TRUE(silent.ended() && done.ended());
}

TEST_F(Http, PingsWhileAStreamIsSilent) {
  HttpLimits limits;
  limits.ping = 50ms;
  start(limits);
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  responder->begin({200}, ": ping\n\n");
  EXPECT_TRUE(client.receive_until(": ping\n\n"));
  responder->write("text");
  responder->end();
  const RawResponse response = client.response();
  EXPECT_TRUE(response.complete);
  EXPECT_THAT(response.body, testing::EndsWith("text"));
}

TEST_F(Http, RefusesConnectionsBeyondTheLimit) {
  HttpLimits limits;
  limits.connections = 2;
  start(limits);
  RawClient first(port()), second(port());
  EXPECT_EQ(first.ask("GET", "/echo").status, 200);
  EXPECT_EQ(second.ask("GET", "/echo").status, 200);
  EXPECT_EQ(RawClient(port()).response().status, 503);
  first.close();
  int status = 0;
  for (int i = 0; i < 100 && status != 200; ++i) {
    std::this_thread::sleep_for(10ms);
    status = RawClient(port()).ask("GET", "/echo").status;
  }
  EXPECT_EQ(status, 200);
}

// ---- beginning and end ----

TEST_F(Http, DrainsWhatIsUnderWay) {
  start();
  RawClient client(port()), idle(port());
  EXPECT_EQ(idle.ask("GET", "/echo").status, 200);
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  EXPECT_FALSE(server->drain(50ms));
  EXPECT_THROW(RawClient(port()).ask("GET", "/echo"), std::runtime_error);
  EXPECT_FALSE(idle.receive());
  EXPECT_TRUE(idle.ended());
  responder->begin({200}, "");
  responder->write("the end");
  responder->end();
  EXPECT_TRUE(server->drain(5s));
  const RawResponse response = client.response();
  EXPECT_EQ(response.body, "the end");
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.header("Connection"), "close");
}

TEST_F(Http, StoppingTellsWhoIsBeingAnswered) {
  start();
  RawClient client(port());
  client.send(RawClient::request("POST", "/hold"));
  const auto responder = take_held();
  server.reset();
  EXPECT_TRUE(gone.wait(0ms));
  EXPECT_FALSE(client.receive());
  responder->send({200});
}

TEST_F(Http, SaysWhyItCannotListen) {
  start();
  const auto handler = [](HttpRequest&&, const std::shared_ptr<HttpResponder>&) {};
  EXPECT_ERROR(HttpServer({"127.0.0.1", port(), {}}, handler), "cannot be listened on");
  EXPECT_ERROR(HttpServer({"no such host", 0, {}}, handler), "host 'no such host'");
}

}  // namespace
}  // namespace minillm
