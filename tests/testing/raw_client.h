// A client that is nothing but a socket: it sends the bytes it is given, also those that no client
// should send.

#ifndef TESTS_TESTING_RAW_CLIENT_H_
#define TESTS_TESTING_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace minillm_testing {

struct RawResponse {
  int status = 0;
  std::string head;  // with its empty line
  std::string body;  // without chunk frames
  bool complete = false;

  std::string header(const std::string& name) const {  // of exactly this spelling
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // Returns whether all was taken.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reset() {  // leaves without a word: the other side sees RST
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void stop_sending() { shutdown(fd_, SHUT_WR); }

  // Waits for more bytes; false at the end of the connection and after `timeout_ms`.
  bool receive(int timeout_ms = 10000) {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, timeout_ms) <= 0) return false;
    char bytes[65536];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    received_.append(bytes, static_cast<size_t>(got));
    return true;
  }
  // All that comes until the other side closes.
  std::string receive_all() {
    while (receive()) continue;
    return std::exchange(received_, {});
  }
  bool receive_until(std::string_view text) {
    while (received_.find(text) == std::string::npos)
      if (!receive()) return false;
    return true;
  }
  bool ended() const { return ended_; }
  const std::string& received() const { return received_; }

  // The next answer; `head_only`: the answer to HEAD.
  RawResponse response(bool head_only = false) {
    RawResponse result;
    if (!receive_until("\r\n\r\n")) return result;
    result.head = take(received_.find("\r\n\r\n") + 4);
    result.status = std::stoi(result.head.substr(9, 3));
    if (head_only || result.status == 204) {
      result.complete = true;
    } else if (!result.header("Content-Length").empty()) {
      const size_t length = std::stoul(result.header("Content-Length"));
      while (received_.size() < length && receive()) continue;
      result.complete = received_.size() >= length;
      result.body = take(std::min(length, received_.size()));
    } else if (result.header("Transfer-Encoding") == "chunked") {
      while (take_chunk(result)) continue;
    } else {
      while (receive()) continue;
      result.body = std::exchange(received_, {});
      result.complete = true;
    }
    return result;
  }
  // Sends a request, and reads its answer.
  RawResponse ask(std::string_view method, std::string_view target, std::string_view body = "",
                  std::string_view headers = "") {
    send(request(method, target, body, headers));
    return response(method == "HEAD");
  }
  // `headers`: lines that end in CRLF.
  static std::string request(std::string_view method, std::string_view target,
                             std::string_view body = "", std::string_view headers = "") {
    return std::string(method) + " " + std::string(target) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + std::string(headers) + "\r\n" + std::string(body);
  }

 private:
  std::string take(size_t bytes) {
    std::string taken = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return taken;
  }
  bool take_chunk(RawResponse& result) {
    if (!receive_until("\r\n")) return false;
    size_t length = 0;
    std::from_chars(received_.data(), received_.data() + received_.size(), length, 16);
    take(received_.find("\r\n") + 2);
    while (received_.size() < length + 2)
      if (!receive()) return false;
    result.body += take(length + 2).substr(0, length);
    result.complete = length == 0;
    return length > 0;
  }

  int fd_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace minillm_testing

#endif  // TESTS_TESTING_RAW_CLIENT_H_
