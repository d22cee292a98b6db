// Writes token shards: documents tokenized once, on all threads, into one file.

#include <cstring>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/byte_stream.h"  // expect_data_file
#include "libminillm/data/data_form.h"
#include "libminillm/data/token_shard.h"
#include "libminillm/data/token_shard_format.h"

namespace minillm {
namespace {

constexpr size_t kChunkBytes = size_t{4} << 20;  // of text, tokenized at a time

// Tokenizes documents as they come, many at a time, and writes them in their order.
class ShardWriter {
 public:
  ShardWriter(const std::string& path, const Tokenizer& tokenizer, const std::string& source_hash,
              const SharedEncoding& share)
      : file_(path), tokenizer_(tokenizer), share_(share) {
    trailer_.bytes_per_id = shard_format::bytes_per_id(tokenizer.vocab_size());
    trailer_.vocab_size = static_cast<uint64_t>(tokenizer.vocab_size());
    trailer_.source_hash = source_hash;
  }

  void add(std::string_view document) {
    documents_.emplace_back(document);
    chunk_bytes_ += document.size();
    if (chunk_bytes_ >= kChunkBytes) flush();
  }

  const shard_format::Trailer& finish() {
    flush();
    file_.write(
        std::string(trailer_.offsets_begin() - trailer_.tokens * trailer_.bytes_per_id, '\0'));
    shard_format::append_unsigned(offsets_, trailer_.tokens, 8);
    file_.write(offsets_);
    file_.write(trailer_.bytes());
    file_.commit();
    return trailer_;
  }

 private:
  bool is_own(size_t document) const {
    return static_cast<Index>(document) % share_.parts == share_.part;
  }

  std::vector<std::vector<Token>> encode() const {
    std::vector<std::vector<Token>> encoded(documents_.size());
    // Long documents are divided among the threads, the others are dealt out whole.
    const auto is_long = [&](size_t i) { return documents_[i].size() > kChunkBytes / 8; };
    for (size_t i = 0; i < documents_.size(); ++i)
      if (is_own(i) && is_long(i)) encoded[i] = tokenizer_.encode(documents_[i]);
    parallel_for(documents_.size(), [&](size_t i) {
      if (is_own(i) && !is_long(i)) encoded[i] = tokenizer_.encode(documents_[i]);
    });
    return encoded;
  }

  // As (number of ids, ids) of document after document.
  void exchange(std::vector<std::vector<Token>>& encoded) const {
    std::vector<Token> own;
    for (size_t i = 0; i < encoded.size(); ++i) {
      if (!is_own(i)) continue;
      own.push_back(static_cast<Token>(encoded[i].size()));
      own.insert(own.end(), encoded[i].begin(), encoded[i].end());
    }
    const std::vector<std::vector<std::byte>> all = share_.exchange(std::as_bytes(std::span(own)));
    std::vector<size_t> at(all.size());
    for (size_t i = 0; i < encoded.size(); ++i) {
      const size_t part = i % all.size();
      const auto take = [&](std::span<Token> ids) {
        if (ids.empty()) return;
        MINILLM_CHECK(at[part] + ids.size_bytes() <= all[part].size(),
                      "ranks: rank {} has other training files than this one: expected the same "
                      "on all",
                      part);
        std::memcpy(ids.data(), all[part].data() + at[part], ids.size_bytes());
        at[part] += ids.size_bytes();
      };
      Token size = 0;
      take({&size, 1});
      encoded[i].resize(static_cast<size_t>(size));
      take(encoded[i]);
    }
  }

  void flush() {
    std::vector<std::vector<Token>> encoded = encode();
    if (share_.parts > 1) exchange(encoded);
    std::string ids;
    const auto append = [&](Token id) {
      shard_format::append_unsigned(ids, static_cast<uint64_t>(id),
                                    static_cast<int>(trailer_.bytes_per_id));
    };
    for (size_t i = 0; i < documents_.size(); ++i) {
      shard_format::append_unsigned(offsets_, trailer_.tokens, 8);
      // Models without BOS have learned that a text begins after the end of another.
      append(tokenizer_.bos() >= 0 ? tokenizer_.bos() : tokenizer_.eos());
      for (const Token id : encoded[i]) append(id);
      append(tokenizer_.eos());
      trailer_.tokens += encoded[i].size() + 2;
      trailer_.text_bytes += documents_[i].size();
    }
    trailer_.documents += documents_.size();
    file_.write(ids);
    documents_.clear();
    chunk_bytes_ = 0;
  }

  FileTransaction file_;
  const Tokenizer& tokenizer_;
  const SharedEncoding& share_;
  shard_format::Trailer trailer_;
  std::string offsets_;
  std::vector<std::string> documents_;  // not yet tokenized
  size_t chunk_bytes_ = 0;
};

}  // namespace

std::string shard_source_hash(const std::vector<std::string>& paths, DocumentSplit split,
                              const Tokenizer& tokenizer, const RowMapping& mapping) {
  Sha256 hash;
  hash.update(fmt::format("token shard {}\n{}\n{}\n", shard_format::kVersion, tokenizer.hash(),
                          document_split_name(split)));
  for (const auto& [known, own] : mapping.columns)
    hash.update(fmt::format("column {} {}\n", known, own));
  for (const std::string& path : paths) {
    expect_data_file(path);
    hash.update(sha256_file(path) + (holds_records(path) ? " json\n" : " text\n"));
  }
  return hash.hex();
}

ShardReport write_token_shard(const std::string& out, const std::vector<std::string>& paths,
                              DocumentSplit split, BadRecordPolicy policy,
                              const Tokenizer& tokenizer, const ProgressFunction& progress,
                              const RowMapping& mapping, const SharedEncoding& share) {
  MINILLM_CHECK(!paths.empty(), "token shard '{}': no files to make it from", out);
  MINILLM_CHECK(tokenizer.eos() >= 0,
                "token shard '{}': the tokenizer has no '</s>' to mark where documents end", out);
  MINILLM_CHECK(!is_directory(out), "token shard '{}': cannot write: it is a directory", out);
  ShardWriter writer(out, tokenizer, shard_source_hash(paths, split, tokenizer, mapping), share);
  ShardReport report;
  double done = 0, total = 0;
  for (const std::string& path : paths)
    if (file_exists(path)) total += static_cast<double>(file_size(path));
  report.files = for_each_document(
      paths, split, policy,
      [&](std::string_view document) {
        writer.add(document);
        done += static_cast<double>(document.size());
        report_progress(progress, std::min(done, total), total);  // what is not text is not counted
      },
      mapping);
  const shard_format::Trailer& trailer = writer.finish();
  report.documents = static_cast<int64_t>(trailer.documents);
  report.tokens = static_cast<int64_t>(trailer.tokens);
  report.text_bytes = static_cast<int64_t>(trailer.text_bytes);
  return report;
}

}  // namespace minillm
