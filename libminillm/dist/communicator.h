// Communicator: messages between ranks, the processes (or threads, in tests) that train one model
// together.
//
// Only messages from one rank to another, in an order that the caller fixes: an engine's own
// reductions may add in any order (MPI 3.1, section 5.9.1).

#ifndef LIBMINILLM_DIST_COMMUNICATOR_H_
#define LIBMINILLM_DIST_COMMUNICATOR_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// Two threads may call one: each its own messages.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual Index rank() const = 0;   // 0 ... ranks() - 1
  virtual Index ranks() const = 0;  // one or more

  // A message on its way. Its bytes must stay where they are until wait() has returned.
  class Message {
   public:
    virtual ~Message() = default;
  };
  using Messages = std::vector<std::unique_ptr<Message>>;

  // Begins to send, or to receive, the message that the other rank begins with this tag (0 to
  // 32,767) and the same number of bytes. Messages of one tag between two ranks keep their order.
  virtual std::unique_ptr<Message> send(Index to, int tag, std::span<const std::byte> bytes) = 0;
  virtual std::unique_ptr<Message> receive(Index from, int tag, std::span<std::byte> bytes) = 0;
  // Returns when all of them have arrived or are on their way, and clears the list. Throws Error
  // naming a rank that has not done its part within the deadline, or one that has ended; and when
  // `given_up` becomes true, after which no more messages may be begun.
  virtual void wait(Messages& messages, const std::atomic<bool>& given_up) = 0;
  void wait(Messages& messages) {
    static const std::atomic<bool> never = false;
    wait(messages, never);
  }
};

// Of every rank `own` bytes, the same number on all: one after the other, the same everywhere.
std::vector<std::byte> all_gather(Communicator& communicator, std::span<const std::byte> own);
// The same for numbers.
template <typename T>
std::vector<T> all_gather_values(Communicator& communicator, std::span<const T> own) {
  const std::vector<std::byte> bytes = all_gather(communicator, std::as_bytes(own));
  std::vector<T> all(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(all.data()));
  return all;
}

// The same of any number of bytes each: by rank.
std::vector<std::vector<std::byte>> all_gather_varying(Communicator& communicator,
                                                       std::span<const std::byte> own);

// Whether any rank says so.
bool any(Communicator& communicator, bool own);

// The same of ranks that may be one: then the communicator may be null.
inline Index count_of(const Communicator* ranks) { return ranks == nullptr ? 1 : ranks->ranks(); }
inline Index number_of(const Communicator* ranks) { return ranks == nullptr ? 0 : ranks->rank(); }
inline bool any_of(Communicator* ranks, bool own) {
  return count_of(ranks) == 1 ? own : any(*ranks, own);
}
// From the first rank to all others; of the same size everywhere.
void broadcast(Communicator* ranks, std::span<std::byte> bytes);

}  // namespace minillm

#endif  // LIBMINILLM_DIST_COMMUNICATOR_H_
