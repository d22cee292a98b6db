#include "libminillm/dpo/reference.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

using nlohmann::json;

// The cached numbers, or nothing if the file was made for something else.
std::optional<std::vector<PairLogProbs>> read_cache(const std::string& path, const std::string& key,
                                                    size_t pairs) {
  if (path.empty() || !file_exists(path)) return std::nullopt;
  try {
    const json cache = json::parse(read_file(path));
    if (cache.at("key") != key) return std::nullopt;
    const auto chosen = cache.at("chosen").get<std::vector<double>>();
    const auto rejected = cache.at("rejected").get<std::vector<double>>();
    if (chosen.size() != pairs || rejected.size() != pairs) return std::nullopt;
    std::vector<PairLogProbs> result;
    for (size_t i = 0; i < pairs; ++i) result.push_back({chosen[i], rejected[i]});
    return result;
  } catch (const json::exception& e) {
    throw Error(fmt::format(
        "reference cache '{}': damaged: {} (remove the file; it will be computed again)", path,
        e.what()));
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
                                              const ProgressFunction& progress) {
  if (auto cached = read_cache(path, key, pairs.size())) return *cached;
  std::vector<PairLogProbs> computed = pair_log_probs(model, pairs, progress);
  if (!path.empty()) write_cache(path, key, computed);
  return computed;
}

}  // namespace minillm
