// TokenShard: a tokenized corpus in one memory-mapped file.
//
// Each document is stored as BOS, its ids, EOS; with a tokenizer that has no BOS, between two EOS.

#ifndef LIBMINILLM_DATA_TOKEN_SHARD_H_
#define LIBMINILLM_DATA_TOKEN_SHARD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/core/file.h"  // MappedFile
#include "libminillm/core/progress.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/data/tokenizer.h"

namespace minillm {

// What a shard is made from, as one SHA-256: the files' bytes, the split, the tokenizer and
// what columns are called. A shard
// whose source_hash() is equal need not be written again.
std::string shard_source_hash(const std::vector<std::string>& paths, DocumentSplit split,
                              const Tokenizer& tokenizer, const RowMapping& mapping = {});

// Tokenizes the files into the shard file `out` (atomically), in bounded memory: some megabytes of
// text at a time, or one document if that is longer. The bytes do not depend on the number of
// threads. Progress counts bytes of the files. Throws Error. The layout is in
// doc/checkpoint_format.md, "Token shards".
//
// With `share` several processes write the same shard, each to a file of its own: each tokenizes a
// part of the documents and gets the ids of all.
struct SharedEncoding {
  Index part = 0, parts = 1;
  // Own bytes -> everybody's, by part.
  std::function<std::vector<std::vector<std::byte>>(std::span<const std::byte> own)> exchange = {};
};
struct ShardReport {
  std::vector<DatasetReport> files;
  int64_t documents = 0, tokens = 0, text_bytes = 0;
};
ShardReport write_token_shard(const std::string& out, const std::vector<std::string>& paths,
                              DocumentSplit split, BadRecordPolicy policy,
                              const Tokenizer& tokenizer, const ProgressFunction& progress = {},
                              const RowMapping& mapping = {}, const SharedEncoding& share = {});

class TokenShard {
 public:
  // Maps and validates the file: magic, sizes, offsets in order, ids < vocab_size. Throws Error.
  static TokenShard open(const std::string& path, Index vocab_size);

  Index documents() const;
  Index tokens() const;
  int64_t text_bytes() const;  // bytes of the tokenized text, for bits per byte
  // Ids of one document with its BOS and EOS, copied out.
  void document(Index d, std::vector<Token>& out) const;
  // Ids [begin, end) of document d. Throws Error if the file was cut off or changed since.
  void slice(Index d, Index begin, Index end, std::vector<Token>& out) const;
  Index document_length(Index d) const;
  const std::string& source_hash() const;  // shard_source_hash of what it was made from

 private:
  void check_content(const std::string& path, Index vocab_size) const;
  Index offset(Index d) const;  // of document d's first id

  MappedFile file_;
  std::span<const std::byte> ids_;      // 2 or 4 bytes each
  std::span<const std::byte> offsets_;  // documents + 1 u64
  int bytes_per_id_ = 2;
  uint64_t vocab_size_ = 0;
  Index documents_ = 0, tokens_ = 0;
  int64_t text_bytes_ = 0;
  std::string source_hash_;
};

// A window of a document: n+1 ids make n rows, each predicting its successor. Windows of one
// document overlap by the one id that is fed by the second and predicted by the first, so every id
// but BOS is predicted exactly once, however long the document is.
struct TextWindow {
  Index document = 0, begin = 0, end = 0;
  Index rows() const { return end - begin - 1; }
};
std::vector<TextWindow> cut_windows(const TokenShard& shard, Index max_rows);

// How many documents of `held_out` are, id for id, in `train`, too.
Index count_shared(const TokenShard& train, const TokenShard& held_out);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOKEN_SHARD_H_
