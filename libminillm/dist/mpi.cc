// The only file that knows MPI. Tried with Open MPI 4.1.

#define OMPI_SKIP_MPICXX \
  1  // its C++ bindings, long removed from the standard, do not compile cleanly

#include "libminillm/dist/mpi.h"

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

using Clock = std::chrono::steady_clock;

struct Transfer : Communicator::Message {
  std::vector<MPI_Request> requests;  // of parts, as counts are of type int
  Index other = 0;
};

class MpiRanks : public Communicator {
 public:
  explicit MpiRanks(double deadline) : deadline_(deadline) {
    // Two threads call MPI, one at a time (mutex_): the Trainer's and OrderedSum's.
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
  }
  // After an error the others may not come to an end that all have in common: abort_ranks().
  ~MpiRanks() override {
    if (std::uncaught_exceptions() == 0) MPI_Finalize();
  }
  Index rank() const override { return rank_; }
  Index ranks() const override { return ranks_; }

  std::unique_ptr<Message> send(Index to, int tag, std::span<const std::byte> bytes) override {
    return transfer(to, bytes, [&](const std::byte* data, int count, MPI_Request* request) {
      MPI_Isend(data, count, MPI_BYTE, static_cast<int>(to), tag, MPI_COMM_WORLD, request);
    });
  }
  std::unique_ptr<Message> receive(Index from, int tag, std::span<std::byte> bytes) override {
    return transfer(from, bytes, [&](std::byte* data, int count, MPI_Request* request) {
      MPI_Irecv(data, count, MPI_BYTE, static_cast<int>(from), tag, MPI_COMM_WORLD, request);
    });
  }

  // Tests in a loop: MPI's own wait has no deadline. Nothing moves in Open MPI unless it is called.
  using Communicator::wait;
  void wait(Messages& messages, const std::atomic<bool>& given_up) override {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration<double>(deadline_);
    std::chrono::microseconds pause(20);
    while (true) {
      const Transfer* open = nullptr;
      for (const auto& message : messages)
        if (auto& transfer = static_cast<Transfer&>(*message); !is_done(transfer) && !open)
          open = &transfer;
      if (open == nullptr) break;
      MINILLM_CHECK(!given_up, "rank {}: gave up", rank_);
      const auto now = Clock::now();
      MINILLM_CHECK(now < end, "rank {}: nothing was heard of rank {} for {} s", rank_, open->other,
                    deadline_);
      // Then the passes may have the processor. A line of 10 Gbit/s moves 600 KB in the longest.
      constexpr std::chrono::microseconds kSpinning(200), kLongest(500);
      if (now < begin + kSpinning) continue;
      std::this_thread::sleep_for(pause);
      pause = std::min(2 * pause, kLongest);
    }
    messages.clear();
  }

 private:
  template <typename Byte, typename Begin>
  std::unique_ptr<Message> transfer(Index other, std::span<Byte> bytes, Begin&& begin) {
    constexpr size_t kMost = size_t{1} << 30;
    auto message = std::make_unique<Transfer>();
    message->other = other;
    const std::scoped_lock lock(mutex_);
    for (size_t at = 0; at < bytes.size(); at += kMost)
      begin(bytes.data() + at, static_cast<int>(std::min(kMost, bytes.size() - at)),
            &message->requests.emplace_back());
    return message;
  }
  bool is_done(Transfer& transfer) {
    int done = 0;
    const std::scoped_lock lock(mutex_);
    MPI_Testall(static_cast<int>(transfer.requests.size()), transfer.requests.data(), &done,
                MPI_STATUSES_IGNORE);
    return done != 0;
  }

  const double deadline_;
  std::mutex mutex_;
  int rank_ = 0, ranks_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> start_mpi(double deadline) {
  return std::make_unique<MpiRanks>(deadline);
}

void abort_ranks(int exit_code) {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  if (started != 0 && ended == 0) MPI_Abort(MPI_COMM_WORLD, exit_code);
}

}  // namespace minillm
