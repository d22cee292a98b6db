#include "libminillm/dist/communicator.h"

#include <algorithm>
#include <cstdint>

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

std::vector<std::vector<std::byte>> all_gather_varying(Communicator& communicator,
                                                       std::span<const std::byte> own) {
  const uint64_t size[] = {own.size()};
  const std::vector<uint64_t> sizes =
      all_gather_values(communicator, std::span<const uint64_t>(size));
  std::vector<std::byte> padded(own.begin(), own.end());
  padded.resize(std::ranges::max(sizes));
  const std::vector<std::byte> all = all_gather(communicator, padded);
  std::vector<std::vector<std::byte>> parts;
  for (size_t rank = 0; rank < sizes.size(); ++rank) {
    const auto begin = all.begin() + static_cast<Index>(rank * padded.size());
    parts.emplace_back(begin, begin + static_cast<Index>(sizes[rank]));
  }
  return parts;
}

bool any(Communicator& communicator, bool own) {
  const char flag[] = {own ? '\1' : '\0'};
  return std::ranges::any_of(all_gather_values(communicator, std::span<const char>(flag)),
                             [](char theirs) { return theirs != 0; });
}

void broadcast(Communicator* ranks, std::span<std::byte> bytes) {
  if (count_of(ranks) == 1 || bytes.empty()) return;
  constexpr int kTag = 5;
  Communicator::Messages messages;
  if (number_of(ranks) == 0) {
    for (Index rank = 1; rank < ranks->ranks(); ++rank)
      messages.push_back(ranks->send(rank, kTag, bytes));
  } else {
    messages.push_back(ranks->receive(0, kTag, bytes));
  }
  ranks->wait(messages);
}

}  // namespace minillm
