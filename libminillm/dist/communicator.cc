#include "libminillm/dist/communicator.h"

#include <algorithm>

namespace minillm {

std::vector<std::byte> all_gather(Communicator& communicator, std::span<const std::byte> own) {
  constexpr int kTag = 1;
  const Index ranks = communicator.ranks(), rank = communicator.rank();
  std::vector<std::byte> all(own.size() * static_cast<size_t>(ranks));
  const auto part = [&](Index r) {
    return std::span(all).subspan(own.size() * static_cast<size_t>(r), own.size());
  };
  std::ranges::copy(own, part(rank).begin());
  if (own.empty()) return all;
  Communicator::Messages messages;
  for (Index k = 1; k < ranks; ++k) {
    const Index from = (rank - k + ranks) % ranks;
    messages.push_back(communicator.receive(from, kTag, part(from)));
  }
  for (Index k = 1; k < ranks; ++k)
    messages.push_back(communicator.send((rank + k) % ranks, kTag, own));
  communicator.wait(messages);
  return all;
}

bool any(Communicator& communicator, bool own) {
  const char flag[] = {own ? '\1' : '\0'};
  return std::ranges::any_of(all_gather_values(communicator, std::span<const char>(flag)),
                             [](char theirs) { return theirs != 0; });
}

}  // namespace minillm
