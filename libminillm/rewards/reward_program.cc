#include "libminillm/rewards/reward_program.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/visible.h"
#include "libminillm/data/message_json.h"

extern char** environ;

namespace minillm {
namespace {

constexpr size_t kMaxLineBytes = 1 << 16;

std::string line_of(const RewardedAnswer& answer) {
  const nlohmann::ordered_json line = {{"prompt", messages_json(answer.question->prompt)},
                                       {"answer", answer.text},
                                       {"ended", answer.ended},
                                       {"tokens", answer.tokens},
                                       {"expect", answer.question->expected},
                                       {"kind", answer.question->kind}};
  return line.dump() + "\n";
}

}  // namespace

// One socket is its standard input and output: writing to it raises no signal when it has ended.
RewardProgram::RewardProgram(std::string command, double seconds_per_answer)
    : command_(std::move(command)), seconds_(seconds_per_answer) {
  int ends[2];
  MINILLM_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
                "reward program: no socket: {}", std::strerror(errno));
  socket_ = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // In a process group of its own: Ctrl-C ends the run after its step, which still needs it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const char* const words[] = {"sh", "-c", command_.c_str(), nullptr};
  const int error = posix_spawn(&process_, "/bin/sh", &actions, &attributes,
                                const_cast<char* const*>(words), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (error == 0) return;
  close(socket_);
  throw Error(fmt::format("reward program '{}': cannot be started: {}", visible(command_),
                          std::strerror(error)));
}

RewardProgram::~RewardProgram() {
  close(socket_);
  for (int i = 0; i < 100; ++i) {
    if (waitpid(process_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(-process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

std::vector<double> RewardProgram::operator()(std::span<const RewardedAnswer> answers) {
  std::vector<double> rewards;
  for (const RewardedAnswer& answer : answers) {
    send(line_of(answer));
    rewards.push_back(reward_in(receive()));
  }
  return rewards;
}

void RewardProgram::fail(const std::string& what) const {
  throw Error(fmt::format("reward program '{}': {}", visible(command_), what));
}

void RewardProgram::send(std::string_view line) {
  while (!line.empty()) {
    const ssize_t sent = ::send(socket_, line.data(), line.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) fail("has ended: expected a line for every answer");
    line.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string RewardProgram::receive() {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds_);
  for (size_t end; (end = received_.find('\n')) == std::string::npos;) {
    if (received_.size() > kMaxLineBytes) fail("a line of over 64 KiB: expected a number");
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd wait = {socket_, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(std::max<int64_t>(0, left.count())));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0)
      fail(fmt::format("no line for an answer within {} s (does it flush its output?)", seconds_));
    char bytes[4096];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("has ended: expected a line for every answer");
    received_.append(bytes, static_cast<size_t>(count));
  }
  const size_t end = received_.find('\n');
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

double RewardProgram::reward_in(const std::string& line) const {
  const std::string subject = fmt::format("reward program '{}'", visible(command_));
  const nlohmann::json value = parse_json(line, subject);
  const double reward =
      value.is_number() ? value.get<double>() : JsonObject(value, subject).number("reward");
  if (!std::isfinite(reward)) fail("expected a finite number");
  return reward;
}

}  // namespace minillm
