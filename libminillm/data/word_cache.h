// What words were encoded to: most words of a text have come before. Internal: not included by
// public headers.

#ifndef LIBMINILLM_DATA_WORD_CACHE_H_
#define LIBMINILLM_DATA_WORD_CACHE_H_

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

// A table of 2^14 words, each in one cache line, where a new word takes the place of an older one.
class WordCache {
 public:
  // The ids of the word; empty if it is not here.
  std::span<const Token> find(std::string_view word, size_t hash) const {
    const Entry& entry = entries_[hash & (kEntries - 1)];
    if (word != std::string_view(entry.word.data(), entry.bytes)) return {};
    return {entry.tokens.data(), entry.count};
  }
  void keep(std::string_view word, size_t hash, std::span<const Token> tokens) {
    Entry& entry = entries_[hash & (kEntries - 1)];
    if (word.size() > entry.word.size() || tokens.size() > entry.tokens.size()) return;
    std::copy(word.begin(), word.end(), entry.word.begin());
    std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
    entry.bytes = static_cast<uint8_t>(word.size());
    entry.count = static_cast<uint8_t>(tokens.size());
  }

 private:
  static constexpr size_t kEntries = 1 << 14;
  struct alignas(64) Entry {
    uint8_t bytes = 0, count = 0;
    std::array<char, 30> word;
    std::array<Token, 8> tokens;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

// A cache for each of several threads.
class WordCaches {
 public:
  // A cache for one caller, which comes back when the lease ends.
  class Lease {
   public:
    explicit Lease(WordCaches& caches) : caches_(caches), cache_(caches.take()) {}
    ~Lease() { caches_.give_back(std::move(cache_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    WordCache& operator*() { return *cache_; }

   private:
    WordCaches& caches_;
    std::unique_ptr<WordCache> cache_;
  };

 private:
  std::unique_ptr<WordCache> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<WordCache>();
    std::unique_ptr<WordCache> cache = std::move(free_.back());
    free_.pop_back();
    return cache;
  }
  void give_back(std::unique_ptr<WordCache> cache) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(cache));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> free_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_WORD_CACHE_H_
