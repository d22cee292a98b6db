// The HttpResponder of a connection: its calls become tasks for the server's thread. Internal:
// public headers know no Boost.

#ifndef LIBMINILLM_SERVE_HTTP_RESPONDER_H_
#define LIBMINILLM_SERVE_HTTP_RESPONDER_H_

#include <memory>
#include <string>
#include <utility>

#include "libminillm/serve/http_connection.h"

namespace minillm {

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

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_HTTP_RESPONDER_H_
