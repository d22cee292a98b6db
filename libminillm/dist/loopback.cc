#include "libminillm/dist/loopback.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// What the threads share. A message is copied as it is sent.
struct Switchboard {
  using Line = std::tuple<Index, Index, int>;  // from, to, tag

  std::mutex mutex;
  std::condition_variable changed;
  std::map<Line, std::deque<std::vector<std::byte>>> sent;
  std::exception_ptr failure;  // of the first rank that ended with one
  std::chrono::duration<double> deadline = {};
};

struct Received : Communicator::Message {
  Received(Switchboard::Line line_, std::span<std::byte> bytes_) : line(line_), bytes(bytes_) {}
  Switchboard::Line line;
  std::span<std::byte> bytes;
};

class LoopbackRank : public Communicator {
 public:
  LoopbackRank(Switchboard& board, Index rank, Index ranks)
      : board_(board), rank_(rank), ranks_(ranks) {}
  Index rank() const override { return rank_; }
  Index ranks() const override { return ranks_; }

  std::unique_ptr<Message> send(Index to, int tag, std::span<const std::byte> bytes) override {
    const std::scoped_lock lock(board_.mutex);
    board_.sent[{rank_, to, tag}].emplace_back(bytes.begin(), bytes.end());
    board_.changed.notify_all();
    return std::make_unique<Message>();
  }
  std::unique_ptr<Message> receive(Index from, int tag, std::span<std::byte> bytes) override {
    return std::make_unique<Received>(Switchboard::Line{from, rank_, tag}, bytes);
  }
  using Communicator::wait;
  void wait(Messages& messages, const std::atomic<bool>& given_up) override {
    for (const auto& message : messages)
      if (const auto* expected = dynamic_cast<const Received*>(message.get()))
        take(*expected, given_up);
    messages.clear();
  }

 private:
  void take(const Received& expected, const std::atomic<bool>& given_up) {
    std::unique_lock lock(board_.mutex);
    auto& queue = board_.sent[expected.line];
    const auto over = [&] { return !queue.empty() || board_.failure != nullptr || given_up; };
    const auto end = std::chrono::steady_clock::now() + board_.deadline;
    // In short waits: who gives up tells nobody.
    while (!over() && std::chrono::steady_clock::now() < end)
      board_.changed.wait_for(lock, std::chrono::milliseconds(20), over);
    const Index from = std::get<0>(expected.line);
    MINILLM_CHECK(!given_up || !queue.empty(), "rank {}: gave up", rank_);
    MINILLM_CHECK(over(), "rank {}: nothing was heard of rank {} for {} s", rank_, from,
                  board_.deadline.count());
    MINILLM_CHECK(!queue.empty(), "rank {}: another rank has ended", rank_);
    MINILLM_CHECK(queue.front().size() == expected.bytes.size(),
                  "rank {}: a message of {} bytes from rank {}: expected {}", rank_,
                  queue.front().size(), from, expected.bytes.size());
    std::ranges::copy(queue.front(), expected.bytes.begin());
    queue.pop_front();
  }

  Switchboard& board_;
  const Index rank_, ranks_;
};

}  // namespace

void run_loopback(Index ranks, const std::function<void(Communicator&)>& body, double deadline) {
  Switchboard board;
  board.deadline = std::chrono::duration<double>(deadline);
  std::vector<std::thread> threads;
  for (Index rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      try {
        LoopbackRank communicator(board, rank, ranks);
        body(communicator);
      } catch (...) {
        const std::scoped_lock lock(board.mutex);
        if (board.failure == nullptr) board.failure = std::current_exception();
        board.changed.notify_all();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (board.failure != nullptr) std::rethrow_exception(board.failure);
}

}  // namespace minillm
