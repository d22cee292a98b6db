#include "libminillm/data/token_shard.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_set>

#include "libminillm/core/check.h"
#include "libminillm/data/token_shard_format.h"

namespace minillm {

using shard_format::load_unsigned;

TokenShard TokenShard::open(const std::string& path, Index vocab_size) {
  using namespace shard_format;
  TokenShard shard;
  shard.file_ = MappedFile(path);
  const auto bytes = shard.file_.bytes();
  std::string_view end(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  end.remove_prefix(end.size() - std::min<size_t>(end.size(), kTrailerBytes));
  MINILLM_CHECK(
      end.size() == kTrailerBytes && end.starts_with(kMagic),
      "token shard '{}': is not a token shard, or cut off: expected '{}' {} bytes before its end",
      path, kMagic, kTrailerBytes);
  const Trailer trailer = Trailer::parse(end);
  MINILLM_CHECK(trailer.version == kVersion,
                "token shard '{}': unknown version: expected {}, got {}", path, kVersion,
                trailer.version);
  MINILLM_CHECK(
      trailer.vocab_size == static_cast<uint64_t>(vocab_size),
      "token shard '{}': made with another tokenizer: expected a vocabulary of {}, got {}", path,
      vocab_size, trailer.vocab_size);
  // The counts are compared with the file's size before anything computed from them could overflow.
  const uint64_t file_bytes = bytes.size();
  MINILLM_CHECK(
      trailer.bytes_per_id == bytes_per_id(vocab_size) && trailer.tokens <= file_bytes &&
          trailer.documents <= file_bytes && trailer.text_bytes <= INT64_MAX &&
          trailer.file_bytes() == file_bytes,
      "token shard '{}': damaged: {} tokens of {} bytes in {} documents do not make {} bytes", path,
      trailer.tokens, trailer.bytes_per_id, trailer.documents, file_bytes);

  shard.bytes_per_id_ = static_cast<int>(trailer.bytes_per_id);
  shard.documents_ = static_cast<Index>(trailer.documents);
  shard.tokens_ = static_cast<Index>(trailer.tokens);
  shard.text_bytes_ = static_cast<int64_t>(trailer.text_bytes);
  shard.source_hash_ = trailer.source_hash;
  shard.ids_ = bytes.first(trailer.tokens * trailer.bytes_per_id);
  shard.offsets_ = bytes.subspan(trailer.offsets_begin(), (trailer.documents + 1) * 8);
  shard.vocab_size_ = static_cast<uint64_t>(vocab_size);
  shard.check_content(path, vocab_size);
  shard.file_.expect_whole();
  return shard;
}

void TokenShard::check_content(const std::string& path, Index vocab_size) const {
  MINILLM_CHECK(offset(0) == 0 && offset(documents_) == tokens_,
                "token shard '{}': damaged: the documents do not cover its {} tokens", path,
                tokens_);
  for (Index d = 0; d < documents_; ++d) {
    const Index begin = offset(d), end = offset(d + 1);
    MINILLM_CHECK(begin >= 0 && begin < end && end <= tokens_ && end - begin >= 2,
                  "token shard '{}': damaged: document {} is [{}, {}) of {} tokens", path, d, begin,
                  end, tokens_);
  }
  for (Index i = 0; i < tokens_; ++i) {
    const uint64_t id = load_unsigned(ids_, static_cast<uint64_t>(i), bytes_per_id_);
    MINILLM_CHECK(id < static_cast<uint64_t>(vocab_size),
                  "token shard '{}': damaged: token {}: expected an id below {}, "
                  "got {}",
                  path, i, vocab_size, id);
  }
}

Index TokenShard::documents() const { return documents_; }
Index TokenShard::tokens() const { return tokens_; }
int64_t TokenShard::text_bytes() const { return text_bytes_; }
const std::string& TokenShard::source_hash() const { return source_hash_; }

Index TokenShard::offset(Index d) const {
  return static_cast<Index>(load_unsigned(offsets_, static_cast<uint64_t>(d), 8));
}

Index TokenShard::document_length(Index d) const { return offset(d + 1) - offset(d); }

void TokenShard::document(Index d, std::vector<Token>& out) const {
  slice(d, 0, document_length(d), out);
}

void TokenShard::slice(Index d, Index begin, Index end, std::vector<Token>& out) const {
  file_.expect_whole();
  MINILLM_CHECK(d >= 0 && d < documents_ && begin >= 0 && begin <= end && end <= document_length(d),
                "token shard: no ids [{}, {}) in document {} of {}", begin, end, d, documents_);
  // The file may have been changed since it was checked.
  const Index first = offset(d);
  MINILLM_CHECK(first >= 0 && first <= tokens_ - end, "token shard: changed while it was read");
  out.clear();
  out.reserve(static_cast<size_t>(end - begin));
  for (Index i = first + begin; i < first + end; ++i) {
    const uint64_t id = load_unsigned(ids_, static_cast<uint64_t>(i), bytes_per_id_);
    MINILLM_CHECK(id < vocab_size_, "token shard: changed while it was read: token {} is {}", i,
                  id);
    out.push_back(static_cast<Token>(id));
  }
  file_.expect_whole();
}

std::vector<TextWindow> cut_windows(const TokenShard& shard, Index max_rows) {
  MINILLM_CHECK(max_rows >= 1, "windows: expected at least 1 row, got {}", max_rows);
  std::vector<TextWindow> windows;
  for (Index d = 0; d < shard.documents(); ++d) {
    const Index length = shard.document_length(d);
    for (Index begin = 0; begin + 1 < length; begin += max_rows) {
      windows.push_back({d, begin, std::min(begin + max_rows + 1, length)});
    }
  }
  return windows;
}

Index count_shared(const TokenShard& train, const TokenShard& held_out) {
  std::vector<Token> ids;
  const auto hash_of = [&](const TokenShard& shard, Index d) {
    shard.document(d, ids);
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(Token)});
  };
  std::unordered_set<size_t> held;
  for (Index d = 0; d < held_out.documents(); ++d) held.insert(hash_of(held_out, d));
  std::unordered_set<size_t> shared;
  for (Index d = 0; d < train.documents(); ++d)
    if (const size_t hash = hash_of(train, d); held.contains(hash)) shared.insert(hash);
  Index count = 0;
  for (Index d = 0; d < held_out.documents(); ++d) count += shared.contains(hash_of(held_out, d));
  return count;
}

}  // namespace minillm
