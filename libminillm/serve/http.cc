#include "libminillm/serve/http.h"

#include <boost/asio.hpp>
#include <thread>

#include "libminillm/core/check.h"
#include "libminillm/serve/http_connection.h"
#include "libminillm/serve/http_text.h"

namespace minillm {
namespace {

using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr HttpLimits::Duration kAcceptPause{50};  // after a failure: no file descriptors left
constexpr const char* kBusy = "server: too many connections";

}  // namespace

class HttpServer::State {
 public:
  State(const HttpConfig& config, Handler handler)
      : work_(io_.get_executor()),
        shared_{config.limits, std::move(handler), std::make_shared<Gate>(io_)},
        acceptor_(io_),
        pause_(io_) {
    listen(config);
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~State() {
    shared_.gate->close();
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
  HttpShared shared_;
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
