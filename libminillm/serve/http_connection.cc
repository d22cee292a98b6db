#include "libminillm/serve/http_connection.h"

#include <algorithm>
#include <boost/beast/http.hpp>

#include "libminillm/core/check.h"
#include "libminillm/serve/http_responder.h"

namespace minillm {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 4096;
constexpr HttpLimits::Duration kLinger{1000};  // for a client to read its last answer

}  // namespace

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

}  // namespace minillm
