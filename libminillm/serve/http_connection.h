// Connection: one client of the HTTP server, on the server's thread. Internal: public headers know
// no Boost.

#ifndef LIBMINILLM_SERVE_HTTP_CONNECTION_H_
#define LIBMINILLM_SERVE_HTTP_CONNECTION_H_

#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/serve/api_error.h"
#include "libminillm/serve/http.h"
#include "libminillm/serve/http_text.h"

namespace minillm {

namespace asio = boost::asio;

// Written at a time, each with a deadline of its own; and what the kernel keeps for a client.
inline constexpr size_t kPieceBytes = 65536;

// A deadline that may be set anew: what an earlier one has set going then does nothing.
class Deadline {
 public:
  explicit Deadline(const asio::any_io_executor& executor) : timer_(executor) {}

  // `owner` lives until then; `late` is not called if it was set anew or cancelled.
  template <typename Owner>
  void set(HttpLimits::Duration after, std::shared_ptr<Owner> owner, void (Owner::*late)()) {
    const uint64_t number = ++number_;
    timer_.expires_after(after);
    timer_.async_wait(
        [this, owner = std::move(owner), late, number](boost::system::error_code error) {
          if (!error && number == number_) ((*owner).*late)();
        });
  }
  void cancel() {
    ++number_;
    timer_.cancel();
  }

 private:
  asio::steady_timer timer_;
  uint64_t number_ = 0;
};

// The way from Responders, in any thread, to the server's thread, while there is one. What is
// posted runs in the order in which it was posted, whoever did: asio promises that for one thread
// only.
class Gate {
 public:
  explicit Gate(asio::io_context& io) : io_(&io) {}

  // False: the server is gone.
  bool post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (io_ == nullptr) return false;
    tasks_.push_back(std::move(task));
    if (tasks_.size() == 1) asio::post(*io_, [this] { run(); });
    return true;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

 private:
  void run() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

  std::mutex mutex_;
  asio::io_context* io_;
  std::vector<std::function<void()>> tasks_;
};

class Connection;

// What connections share; used on the server's thread.
struct HttpShared {
  HttpLimits limits;
  HttpServer::Handler handler;
  std::shared_ptr<Gate> gate;
  std::set<std::shared_ptr<Connection>> connections = {};
  bool draining = false;

  // Requests that have no complete answer yet: counted for drain().
  std::mutex mutex = {};
  std::condition_variable changed = {};
  size_t unanswered = 0;
  bool drained = false;

  void count(int change) {
    const std::lock_guard lock(mutex);
    unanswered += static_cast<size_t>(change);
    changed.notify_all();
  }
};

// One client. Requests are answered one after another, in their order; while one is answered, a
// read is pending, so that it is known at once when the client leaves. An *exchange* is a request
// with its answer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::ip::tcp::socket socket, HttpShared& shared)
      : shared_(shared),
        socket_(std::move(socket)),
        // A request, one that follows it already, and what the parser reads beyond.
        buffer_(shared.limits.header_bytes + shared.limits.body_bytes + kPieceBytes),
        deadline_(socket_.get_executor()),
        write_deadline_(socket_.get_executor()),
        ping_timer_(socket_.get_executor()) {}

  void start() { next_request(); }
  // From now on no request is taken; one that is being answered still is.
  void drain() {
    if (!open_ && !closing_) leave();
  }
  void leave();

  // What the Responder of exchange `number` asks for.
  void send(uint64_t number, const HttpResponse& response);
  void begin(uint64_t number, HttpResponse head, std::string ping);
  void write(uint64_t number, const std::string& chunk);
  void end(uint64_t number);
  void break_off(uint64_t number);
  void on_client_gone(uint64_t number, std::function<void()> gone);
  void forsake(uint64_t number);  // the Responder is no more

 private:
  bool answers(uint64_t number) const {
    return !closed_ && open_ && !complete_ && number == exchange_;
  }
  void next_request();
  void watch();
  void on_watched(boost::system::error_code error, size_t bytes);
  void read_request();
  void on_header(boost::system::error_code error);
  void on_body(boost::system::error_code error);
  void too_slow();
  bool refuse_unread(boost::system::error_code error);
  void refuse(const ApiError& error);
  void open();
  HttpRequest take_request();
  void hand_over(HttpRequest request);
  void complete();
  void put(std::string text);
  void write_piece();
  void ping();
  void finish();
  void close_gently();

  HttpShared& shared_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;  // read, not parsed yet
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  Deadline deadline_;        // of the request, or of a connection without one
  Deadline write_deadline_;  // of the piece that is being written
  Deadline ping_timer_;
  bool watching_ = false;  // a read is pending that no parser asked for
  bool timed_out_ = false;

  uint64_t exchange_ = 0;  // the number of the present one
  bool open_ = false;      // it has begun, and not all of its answer is written
  bool begun_ = false;     // the head of its answer is there
  bool complete_ = false;  // all of its answer is there
  bool broken_off_ = false;
  HttpFraming framing_;
  std::function<void()> on_gone_;
  std::string ping_text_;
  std::chrono::steady_clock::time_point last_text_;

  std::string waiting_;  // to be written after
  std::string writing_;  // what is being written
  size_t written_ = 0;   // bytes of it

  bool closing_ = false;  // no more is written; what still comes is thrown away
  bool closed_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_HTTP_CONNECTION_H_
