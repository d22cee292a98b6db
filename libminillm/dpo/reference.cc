#include "libminillm/dpo/reference.h"

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxCacheBytes = uint64_t{256} << 20;  // some five million pairs

// The cached numbers, or nothing if the file was made for something else.
std::optional<std::vector<PairLogProbs>> read_cache(const std::string& path, const std::string& key,
                                                    size_t pairs) {
  if (path.empty() || !file_exists(path)) return std::nullopt;
  const std::string subject = fmt::format("reference cache '{}'", path);
  try {
    const json parsed = parse_json(read_file(path, kMaxCacheBytes), subject, /*max_depth=*/4);
    const JsonObject cache(parsed, subject);
    if (cache.string("key") != key) return std::nullopt;
    const std::vector<double> chosen = cache.numbers("chosen"),
                              rejected = cache.numbers("rejected");
    if (chosen.size() != pairs || rejected.size() != pairs) return std::nullopt;
    std::vector<PairLogProbs> result;
    for (size_t i = 0; i < pairs; ++i) {
      MINILLM_CHECK(std::max(chosen[i], rejected[i]) <= 0,
                    "{}: pair {}: expected logarithms of probabilities, got {} and {}", subject, i,
                    chosen[i], rejected[i]);
      result.push_back({chosen[i], rejected[i]});
    }
    return result;
  } catch (const SystemError&) {
    throw;
  } catch (const Error& e) {
    throw Error(fmt::format("{} (damaged: remove the file; it will be computed again)", e.what()));
  }
}

void write_cache(const std::string& path, const std::string& key,
                 const std::vector<PairLogProbs>& values) {
  json cache = {{"key", key}, {"chosen", json::array()}, {"rejected", json::array()}};
  for (const PairLogProbs& value : values) {
    cache["chosen"].push_back(value.chosen);
    cache["rejected"].push_back(value.rejected);
  }
  write_file_atomic(path, cache.dump(1) + "\n");
}

}  // namespace

std::string reference_key(const std::string& weights_hash, const std::string& data_hash,
                          const Tokenizer& tokenizer, const std::string& precision) {
  return sha256(weights_hash + "\n" + data_hash + "\n" + tokenizer.hash() + "\n" +
                tokenizer.chat_template()->id + "\n" + precision);
}

std::vector<PairLogProbs> reference_log_probs(const std::string& path, const std::string& key,
                                              const Model& model,
                                              std::span<const RenderedPair> pairs,
                                              const Scoring& scoring) {
  // The first rank's cache is everybody's.
  const bool is_first = number_of(scoring.ranks) == 0;
  std::optional<std::vector<PairLogProbs>> cached;
  if (is_first) cached = read_cache(path, key, pairs.size());
  if (any_of(scoring.ranks, cached.has_value())) {
    if (!cached) cached.emplace(pairs.size());
    broadcast(scoring.ranks, std::as_writable_bytes(std::span(*cached)));
    return *cached;
  }
  std::vector<PairLogProbs> computed = pair_log_probs(model, pairs, scoring);
  if (is_first && !path.empty()) write_cache(path, key, computed);
  return computed;
}

}  // namespace minillm
