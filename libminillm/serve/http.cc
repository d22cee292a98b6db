#include "libminillm/serve/http.h"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "libminillm/core/check.h"
#include "libminillm/serve/http_text.h"

namespace minillm {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr size_t kPieceBytes = 65536;  // written at a time, each with a deadline of its own
constexpr size_t kReadBytes = 4096;
constexpr HttpLimits::Duration kLinger{1000};     // for a client to read its last answer
constexpr HttpLimits::Duration kAcceptPause{50};  // after a failure: no file descriptors left
constexpr const char* kBusy = "server: too many connections";

// A deadline that may be set anew: what an earlier one has set going then does nothing.
class Deadline {
 public:
  explicit Deadline(const asio::any_io_executor& executor) : timer_(executor) {}

  // `owner` lives until then; `late` is not called if it was set anew or cancelled.
  template <typename Owner>
  void set(HttpLimits::Duration after, std::shared_ptr<Owner> owner, void (Owner::*late)()) {
    const uint64_t number = ++number_;
    timer_.expires_after(after);
    timer_.async_wait([this, owner = std::move(owner), late, number](error_code error) {
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

// The way from a Responder, in any thread, to the server's thread, while there is one.
struct Gate {
  std::mutex mutex;
  asio::io_context* io = nullptr;  // null: the server is gone

  template <typename Task>
  bool post(Task&& task) {
    const std::lock_guard lock(mutex);
    if (io != nullptr) asio::post(*io, std::forward<Task>(task));
    return io != nullptr;
  }
};

class Connection;

// What connections share; used on the server's thread.
struct Shared {
  HttpLimits limits;
  HttpServer::Handler handler;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
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
  Connection(tcp::socket socket, Shared& shared)
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
  void on_watched(error_code error, size_t bytes);
  void read_request();
  void on_header(error_code error);
  void on_body(error_code error);
  void too_slow();
  bool refuse_unread(error_code error);
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

  Shared& shared_;
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;  // read, not parsed yet
  std::optional<http::request_parser<http::string_body>> parser_;
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
  Clock::time_point last_text_;

  std::string waiting_;  // to be written after
  std::string writing_;  // what is being written
  size_t written_ = 0;   // bytes of it

  bool closing_ = false;  // no more is written; what still comes is thrown away
  bool closed_ = false;
};

// ---- reading ----

void Connection::next_request() {
  deadline_.set(shared_.limits.idle, shared_from_this(), &Connection::leave);
  if (buffer_.size() == 0)
    watch();
  else if (watching_)
    socket_.cancel();  // on_watched goes on
  else
    read_request();
}

void Connection::watch() {
  if (watching_ || closed_) return;
  watching_ = true;
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            self->on_watched(error, bytes);
                          });
}

void Connection::on_watched(error_code error, size_t bytes) {
  watching_ = false;
  if (closed_) return;
  buffer_.commit(bytes);
  if (closing_) buffer_.consume(buffer_.size());
  if (error && error != asio::error::operation_aborted) {
    if (!open_ || !complete_) return leave();
    framing_.keep_alive = false;  // it reads no further answer than this one
    return;
  }
  if (!open_ && !closing_ && buffer_.size() > 0) return read_request();
  // Nobody needs to send more than a whole request ahead.
  if (buffer_.size() + kReadBytes > buffer_.max_size()) return leave();
  watch();
}

void Connection::read_request() {
  timed_out_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(shared_.limits.header_bytes));
  parser_->body_limit(shared_.limits.body_bytes);
  deadline_.set(shared_.limits.request, shared_from_this(), &Connection::too_slow);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, size_t) { self->on_header(error); });
}

void Connection::too_slow() {
  timed_out_ = true;
  socket_.cancel();  // on_header or on_body goes on
}

void Connection::on_header(error_code error) {
  if (closed_ || refuse_unread(error)) return;
  const auto& request = parser_->get();
  const auto hosts = request.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && request.version() > 10))
    return refuse({400, fmt::format("header Host: expected one, got {}", hosts)});
  const auto read_body = [this] {
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](error_code e, size_t) { self->on_body(e); });
  };
  if (!boost::beast::iequals(request[http::field::expect], "100-continue") ||
      request.version() < 11 || parser_->is_done())
    return read_body();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this(), read_body](error_code e, size_t) {
                      if (!self->closed_ && !self->refuse_unread(e)) read_body();
                    });
}

void Connection::on_body(error_code error) {
  if (closed_ || refuse_unread(error)) return;
  hand_over(take_request());
}

// If the request could not be read: answers why, or leaves, and returns true.
bool Connection::refuse_unread(error_code error) {
  const HttpLimits& limits = shared_.limits;
  if (timed_out_) {
    refuse({408, fmt::format("request: it did not arrive whole within {} s",
                             static_cast<double>(limits.request.count()) / 1000)});
  } else if (!error) {
    return false;
  } else if (error == http::error::body_limit) {
    refuse({413, fmt::format("body: expected at most {} bytes", limits.body_bytes)});
  } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    refuse({431, fmt::format("headers: expected at most {} bytes", limits.header_bytes)});
  } else if (error == http::error::bad_version) {
    refuse({505, "request: expected HTTP/1.1 or HTTP/1.0"});
  } else if (error == http::error::end_of_stream || error == http::error::partial_message ||
             error.category() != make_error_code(http::error::bad_method).category()) {
    leave();
  } else {
    refuse({400, fmt::format("request: not HTTP: {}", error.message())});
  }
  return true;
}

void Connection::refuse(const ApiError& error) {
  open();
  framing_ = {.keep_alive = false};  // where the next request begins is not known
  send(exchange_, error_response(error));
}

void Connection::open() {
  deadline_.cancel();
  ++exchange_;
  open_ = true;
  begun_ = complete_ = broken_off_ = false;
  on_gone_ = nullptr;
  shared_.count(+1);
}

HttpRequest Connection::take_request() {
  auto request = parser_->release();
  parser_.reset();
  const bool head = request.method() == http::verb::head;
  framing_ = {.http_1_0 = request.version() < 11,
              .head_only = head,
              .keep_alive = request.keep_alive() && !shared_.draining};
  HttpRequest result{std::string(request.method_string()),
                     std::string(request.target()),
                     {},
                     std::move(request.body())};
  for (const auto& field : request)
    result.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  // The whole address instead of a path, as for a proxy: its host counts (RFC 9112, 3.2.2).
  constexpr std::string_view kScheme = "http://";
  if (result.target.starts_with(kScheme)) {
    const size_t end = std::min(result.target.find('/', kScheme.size()), result.target.size());
    const std::string host = result.target.substr(kScheme.size(), end - kScheme.size());
    result.target = end == result.target.size() ? "/" : result.target.substr(end);
    for (auto& [name, value] : result.headers)
      if (boost::beast::iequals(name, "host")) value = host;
  }
  return result;
}

// ---- answering ----

// A Responder's calls, as tasks for the server's thread.
class Responder final : public HttpResponder {
 public:
  Responder(std::shared_ptr<Gate> gate, std::weak_ptr<Connection> connection, uint64_t number)
      : gate_(std::move(gate)), connection_(std::move(connection)), number_(number) {}
  ~Responder() override {
    post([](Connection& c, uint64_t n) { c.forsake(n); });
  }

  void send(HttpResponse response) override {
    post([response = std::move(response)](Connection& c, uint64_t n) { c.send(n, response); });
  }
  void begin(HttpResponse head, std::string ping) override {
    post([head = std::move(head), ping = std::move(ping)](Connection& c, uint64_t n) {
      c.begin(n, head, ping);
    });
  }
  void write(std::string chunk) override {
    post([chunk = std::move(chunk)](Connection& c, uint64_t n) { c.write(n, chunk); });
  }
  void end() override {
    post([](Connection& c, uint64_t n) { c.end(n); });
  }
  void break_off() override {
    post([](Connection& c, uint64_t n) { c.break_off(n); });
  }
  void on_client_gone(std::function<void()> gone) override {
    const bool posted = gate_->post([connection = connection_, number = number_, gone] {
      const auto c = connection.lock();
      c ? c->on_client_gone(number, gone) : gone();
    });
    if (!posted) gone();
  }

 private:
  template <typename Task>
  void post(Task task) {
    gate_->post([connection = connection_, number = number_, task = std::move(task)] {
      if (const auto c = connection.lock()) task(*c, number);
    });
  }

  std::shared_ptr<Gate> gate_;
  std::weak_ptr<Connection> connection_;
  uint64_t number_;
};

void Connection::hand_over(HttpRequest request) {
  open();
  const auto responder = std::make_shared<Responder>(shared_.gate, weak_from_this(), exchange_);
  try {
    shared_.handler(std::move(request), responder);
  } catch (const ApiError& error) {
    responder->send(error_response(error));
  } catch (const std::exception& error) {
    responder->send(error_response({500, error.what()}));
  }
  watch();  // after an answer that is there at once: a client may have stopped sending by then
}

void Connection::send(uint64_t number, const HttpResponse& response) {
  if (!answers(number) || begun_) return;
  begun_ = true;
  if (shared_.draining) framing_.keep_alive = false;
  put(http_answer(response, framing_));
  complete();
}

void Connection::begin(uint64_t number, HttpResponse head, std::string ping) {
  if (!answers(number) || begun_) return;
  begun_ = true;
  framing_.stream = true;
  if (framing_.http_1_0 || shared_.draining) framing_.keep_alive = false;
  put(http_answer(head, framing_));
  write(number, head.body);
  ping_text_ = std::move(ping);
  if (!ping_text_.empty())
    ping_timer_.set(shared_.limits.ping, shared_from_this(), &Connection::ping);
}

void Connection::write(uint64_t number, const std::string& chunk) {
  if (!answers(number) || !framing_.stream || chunk.empty()) return;
  if (waiting_.size() + writing_.size() - written_ > shared_.limits.waiting_bytes) return leave();
  put(http_chunk(chunk, framing_));
}

void Connection::end(uint64_t number) {
  if (!answers(number) || !framing_.stream) return;
  put(http_last_chunk(framing_));
  complete();
}

void Connection::break_off(uint64_t number) {
  if (!answers(number)) return;
  broken_off_ = true;
  complete();
}

void Connection::on_client_gone(uint64_t number, std::function<void()> gone) {
  if (answers(number))
    on_gone_ = std::move(gone);
  else if (closed_ && number == exchange_ && !complete_)
    gone();
}

void Connection::forsake(uint64_t number) {
  if (!answers(number)) return;
  if (begun_) return break_off(number);
  send(number, error_response({500, "server: the request was given up"}));
}

// The client has not been told anything for a while.
void Connection::ping() {
  if (closed_ || !open_ || complete_) return;
  const auto silent = std::chrono::duration_cast<HttpLimits::Duration>(Clock::now() - last_text_);
  if (silent >= shared_.limits.ping) write(exchange_, ping_text_);
  if (closed_) return;
  const auto rest =
      silent >= shared_.limits.ping ? shared_.limits.ping : shared_.limits.ping - silent;
  ping_timer_.set(rest, shared_from_this(), &Connection::ping);
}

// ---- writing ----

void Connection::complete() {
  complete_ = true;
  on_gone_ = nullptr;
  ping_timer_.cancel();
  if (writing_.empty()) write_piece();
}

void Connection::put(std::string text) {
  last_text_ = Clock::now();
  if (waiting_.empty())
    waiting_ = std::move(text);
  else
    waiting_ += text;
  if (writing_.empty()) write_piece();
}

void Connection::write_piece() {
  if (closed_) return;
  if (written_ == writing_.size()) {
    writing_ = std::exchange(waiting_, {});
    written_ = 0;
  }
  if (writing_.empty()) {
    write_deadline_.cancel();
    if (open_ && complete_) finish();
    return;
  }
  write_deadline_.set(shared_.limits.write, shared_from_this(), &Connection::leave);
  const size_t piece = std::min(kPieceBytes, writing_.size() - written_);
  asio::async_write(socket_, asio::buffer(writing_.data() + written_, piece),
                    [self = shared_from_this()](error_code error, size_t bytes) {
                      if (error) return self->leave();
                      self->written_ += bytes;
                      self->write_piece();
                    });
}

// All of the answer is written.
void Connection::finish() {
  open_ = false;
  shared_.count(-1);
  if (!framing_.keep_alive || broken_off_ || shared_.draining) return close_gently();
  next_request();
}

// A client that still sends would lose the answer if the connection were closed under it.
void Connection::close_gently() {
  closing_ = true;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  deadline_.set(kLinger, shared_from_this(), &Connection::leave);
  buffer_.consume(buffer_.size());
  watch();
}

void Connection::leave() {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  deadline_.cancel();
  write_deadline_.cancel();
  ping_timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  shared_.connections.erase(self);
  if (open_) shared_.count(-1);
  if (const auto gone = std::exchange(on_gone_, nullptr)) gone();
}

}  // namespace

// ---- the server ----

class HttpServer::State {
 public:
  State(const HttpConfig& config, Handler handler)
      : work_(io_.get_executor()),
        shared_{config.limits, std::move(handler)},
        acceptor_(io_),
        pause_(io_) {
    listen(config);
    shared_.gate->io = &io_;
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~State() {
    {
      const std::lock_guard lock(shared_.gate->mutex);
      shared_.gate->io = nullptr;
    }
    asio::post(io_, [this] {
      close_acceptor();
      while (!shared_.connections.empty()) (*shared_.connections.begin())->leave();
      work_.reset();
    });
    thread_.join();
  }

  uint16_t port() const { return acceptor_port_; }

  bool drain(std::chrono::milliseconds grace) {
    asio::post(io_, [this] {
      close_acceptor();
      shared_.draining = true;
      const auto connections = shared_.connections;
      for (const auto& connection : connections) connection->drain();
      const std::lock_guard lock(shared_.mutex);
      shared_.drained = true;
      shared_.changed.notify_all();
    });
    std::unique_lock lock(shared_.mutex);
    return shared_.changed.wait_for(lock, grace,
                                    [this] { return shared_.drained && shared_.unanswered == 0; });
  }

 private:
  void listen(const HttpConfig& config) {
    error_code error;
    const auto addresses =
        tcp::resolver(io_).resolve(config.host, std::to_string(config.port), error);
    MINILLM_CHECK(!error, "host '{}': not known: {}", config.host, error.message());
    const tcp::endpoint endpoint = addresses.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    MINILLM_CHECK(!error, "'{}' port {}: cannot be listened on: {}", config.host, config.port,
                  error.message());
    acceptor_port_ = acceptor_.local_endpoint().port();
  }

  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (error) {
        pause_.expires_after(kAcceptPause);
        return pause_.async_wait([this](error_code stopped) {
          if (!stopped && acceptor_.is_open()) accept();
        });
      }
      welcome(std::move(socket));
      accept();
    });
  }

  void welcome(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // Else megabytes wait in the kernel, and whether a slow client reads is seen once a megabyte.
    socket.set_option(asio::socket_base::send_buffer_size(kPieceBytes), ignored);
    if (shared_.connections.size() >= shared_.limits.connections) {
      socket.non_blocking(true, ignored);
      socket.write_some(
          asio::buffer(http_answer(error_response({503, kBusy}), {.keep_alive = false})), ignored);
      return;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket), shared_);
    shared_.connections.insert(connection);
    connection->start();
  }

  void close_acceptor() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;  // until the destructor
  Shared shared_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  uint16_t acceptor_port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(const HttpConfig& config, Handler handler)
    : state_(std::make_unique<State>(config, std::move(handler))) {}
HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const { return state_->port(); }

bool HttpServer::drain(std::chrono::milliseconds grace) { return state_->drain(grace); }

}  // namespace minillm
