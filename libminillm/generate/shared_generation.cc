#include "libminillm/generate/shared_generation.h"

#include <cstring>
#include <string>
#include <utility>

namespace minillm {
namespace {

// Generations as bytes and back, in this process's own representation.
class Bytes {
 public:
  std::vector<std::byte> bytes;

  template <typename T>
  void put(const T& value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }
  template <typename Values>
  void put_all(const Values& values) {
    put(static_cast<uint64_t>(values.size()));
    for (const auto& value : values) put(value);
  }
  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, &bytes[at_], sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  template <typename Values>
  Values take_all() {
    Values values;
    for (auto n = take<uint64_t>(); n > 0; --n)
      values.push_back(take<typename Values::value_type>());
    return values;
  }

 private:
  size_t at_ = 0;
};

void put(Bytes& to, const Generation& generation) {
  to.put_all(generation.tokens);
  to.put_all(generation.text);
  to.put(generation.reason);
  to.put(generation.end_token.has_value());
  to.put(generation.end_token.value_or(Token{0}));
  to.put_all(generation.log_probs);
}

Generation take(Bytes& from) {
  Generation generation;
  generation.tokens = from.take_all<std::vector<Token>>();
  generation.text = from.take_all<std::string>();
  generation.reason = from.take<StopReason>();
  const bool ended = from.take<bool>();
  const auto end_token = from.take<Token>();
  if (ended) generation.end_token = end_token;
  generation.log_probs = from.take_all<std::vector<Real>>();
  return generation;
}

}  // namespace

std::vector<Generation> generate_among(Communicator* ranks, Generator& generator,
                                       std::span<const std::vector<Token>> prompts,
                                       const GenerationConfig& config, Index max_streams) {
  const Index count = count_of(ranks), all = std::ssize(prompts);
  if (count == 1) return generator.generate_all(prompts, config, max_streams);
  const auto begin_of = [&](Index rank) { return all * rank / count; };
  const Index begin = begin_of(ranks->rank()), end = begin_of(ranks->rank() + 1);
  GenerationConfig own = config;
  own.stream += static_cast<uint64_t>(begin);  // prompt i's numbers are those of stream + i
  Bytes sent;
  if (end > begin)
    for (const Generation& generation : generator.generate_all(
             prompts.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), own,
             max_streams))
      put(sent, generation);
  std::vector<std::vector<std::byte>> gathered = all_gather_varying(*ranks, sent.bytes);
  std::vector<Generation> result;
  for (Index rank = 0; rank < count; ++rank) {
    Bytes theirs;
    theirs.bytes = std::move(gathered[static_cast<size_t>(rank)]);
    for (Index i = begin_of(rank); i < begin_of(rank + 1); ++i) result.push_back(take(theirs));
  }
  return result;
}

}  // namespace minillm
