// HttpServer: requests in, answers out, whole or as a stream; HTTP/1.1 (RFC 9112) and 1.0.
//
// Only http.cc and http_connection.cc know sockets. One thread does all input and output and runs
// the handler, which must not block: it keeps the Responder, and whoever has the answer gives it,
// from any thread. A slow client costs no thread and makes no other client wait: what waits for it
// is bounded, and so is the time.

#ifndef LIBMINILLM_SERVE_HTTP_H_
#define LIBMINILLM_SERVE_HTTP_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minillm {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // path and query, as sent: "/v1/models?x=1"
  HttpHeaders headers;
  std::string body;

  // The value of a header, whatever the case of its letters; empty if there is none.
  std::string_view header(std::string_view name) const;
  std::string_view path() const;  // the target up to its query
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};  // Content-Length and the like are added
  std::string body = {};
};

// Where the answer to one request goes. Thread-safe; never blocks; does nothing once the client or
// the server is gone. Destroyed without an answer, it answers 500; without the end of a stream, it
// breaks it off.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  virtual void send(HttpResponse response) = 0;  // all at once

  // Or a stream: its head (whose body is the first chunk), chunks, and its end. While nothing is
  // written for `limits.ping`, `ping` is, if not empty.
  virtual void begin(HttpResponse head, std::string ping) = 0;
  virtual void write(std::string chunk) = 0;
  virtual void end() = 0;
  // Ends the connection after what was written, so that the client sees that the stream is not
  // whole.
  virtual void break_off() = 0;

  // `gone` is called, once, when the client leaves before its answer is complete: at once, also
  // while nothing is being written. On the server's thread, or, if the client has left already, at
  // the latest when that thread next runs. A client that closes its sending side has left.
  virtual void on_client_gone(std::function<void()> gone) = 0;
};

struct HttpLimits {
  using Duration = std::chrono::milliseconds;
  size_t header_bytes = size_t{16} << 10;    // more: 431
  size_t body_bytes = size_t{1} << 20;       // more: 413
  size_t connections = 1000;                 // further ones are told 503 and closed
  size_t waiting_bytes = size_t{256} << 10;  // of a stream for a client that does not read
  Duration request{10'000};                  // for a whole request to arrive; longer: 408
  Duration write{10'000};                    // for a client to take 64 KiB
  Duration idle{60'000};                     // a connection without a request
  Duration ping{15'000};
};

struct HttpConfig {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: one that is free
  HttpLimits limits = {};
};

class HttpServer {
 public:
  // Runs on the server's thread. An ApiError that it throws is the answer.
  using Handler = std::function<void(HttpRequest&&, std::shared_ptr<HttpResponder>)>;

  // Listens, and begins to answer. Throws Error if it cannot listen there.
  HttpServer(const HttpConfig& config, Handler handler);
  // Closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // Takes no new connections or requests, and waits until the answers under way are sent, at most
  // `grace`. Returns whether all were.
  bool drain(std::chrono::milliseconds grace);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_HTTP_H_
