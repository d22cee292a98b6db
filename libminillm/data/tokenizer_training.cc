// Trains a BPE tokenizer with sentencepiece, without the lines that it would drop silently.

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <unordered_map>

#include "libminillm/core/check.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_format.h"

namespace minillm {
namespace {

constexpr int64_t kOwnControlPieces = 6;  // <unk> <s> </s> <pad> <|im_start|> <|im_end|>
constexpr int64_t kBytePieces = 256;
constexpr int64_t kMaxVocabSize = 1000000;
constexpr size_t kMaxSentenceBytes = 16384;

// Characters that may not reach the trainer. It learns from lines, so a piece never contains a line
// end; it uses tab as an internal mark, and drops, without a word, every line that contains U+2585;
// U+2581 is its space. All of them are spelled in bytes, so it is no loss that they only divide the
// text for the trainer.
size_t divider_length(std::string_view text) {
  if (text[0] == '\n' || text[0] == '\r' || text[0] == '\t' || text[0] == '\0') return 1;
  if (text.starts_with("\xe2\x96\x85") || text.starts_with("\xe2\x96\x81")) return 3;
  return 0;
}

// Hands the texts to sentencepiece as sentences it accepts, and counts their characters.
class SentenceSource : public sentencepiece::SentenceIterator {
 public:
  explicit SentenceSource(const TextSource& texts) : texts_(texts) { Next(); }

  bool done() const override { return done_; }
  const std::string& value() const override { return sentence_; }
  // Errors of the text source must not pass through sentencepiece: train_tokenizer throws them.
  sentencepiece::util::Status status() const override {
    if (error_) return {sentencepiece::util::StatusCode::kCancelled, "the text source failed"};
    return {};
  }
  std::exception_ptr error() const { return error_; }

  void Next() override {
    try {
      sentence_.clear();
      while (sentence_.empty()) {
        if (position_ == text_.size() && !read_text()) {
          done_ = true;
          return;
        }
        take_sentence();
      }
      count_characters();
    } catch (...) {
      error_ = std::current_exception();
      done_ = true;
    }
  }

  // How many distinct characters, the most frequent first, make up `coverage` of the text.
  int64_t required_characters(double coverage) const {
    std::vector<int64_t> counts;
    int64_t total = 0, covered = 0, required = 0;
    for (const auto& [character, count] : characters_) {
      counts.push_back(count);
      total += count;
    }
    std::sort(counts.rbegin(), counts.rend());
    for (const int64_t count : counts) {
      if (static_cast<double>(covered) / static_cast<double>(total) >= coverage) break;
      covered += count;
      ++required;
    }
    return required;
  }

 private:
  bool read_text() {
    position_ = 0;
    text_.clear();
    if (!texts_(text_)) return text_.clear(), false;
    size_t bad_byte = 0;
    MINILLM_CHECK(is_valid_utf8(text_, &bad_byte),
                  "tokenizer training: text is not UTF-8: byte {} is 0x{:02X}", bad_byte,
                  static_cast<uint8_t>(text_[bad_byte]));
    return true;
  }

  // The text up to the next divider, or to the last space before it gets too long.
  void take_sentence() {
    const std::string_view rest = std::string_view(text_).substr(position_);
    size_t end = 0, space = 0;
    while (end < rest.size() && divider_length(rest.substr(end)) == 0) {
      const size_t length = utf8_character_length(rest.substr(end));
      if (end + length > kMaxSentenceBytes) {
        if (space > 0) end = space;
        break;
      }
      if (rest[end] == ' ') space = end;
      end += length;
    }
    sentence_ = rest.substr(0, end);
    position_ += end;
    if (end < rest.size()) position_ += divider_length(rest.substr(end));
  }

  void count_characters() {
    std::string_view rest = sentence_;
    while (!rest.empty()) {
      const size_t length = utf8_character_length(rest);
      ++characters_[std::string(rest.substr(0, length))];
      rest.remove_prefix(length);
    }
  }

  const TextSource& texts_;
  std::string text_;
  size_t position_ = 0;
  std::string sentence_;
  bool done_ = false;
  std::exception_ptr error_;
  std::unordered_map<std::string, int64_t> characters_;
};

// The number after `before` in sentencepiece's message.
std::optional<int64_t> number_after(const std::string& message, const std::string& before) {
  const size_t position = message.find(before);
  if (position == std::string::npos) return std::nullopt;
  return std::strtoll(message.c_str() + position + before.size(), nullptr, 10);
}

}  // namespace

std::string train_tokenizer(const TextSource& texts, const TokenizerTrainingOptions& options) {
  const int64_t control_pieces =
      kOwnControlPieces + (options.tool_marks ? std::ssize(kToolMarks) : 0);
  std::string controls = "<|im_start|>,<|im_end|>";
  if (options.tool_marks)
    for (const std::string_view mark : kToolMarks) controls += fmt::format(",{}", mark);
  const int64_t smallest = control_pieces + kBytePieces + 1;
  MINILLM_CHECK_USAGE(options.vocab_size >= smallest && options.vocab_size <= kMaxVocabSize,
                      "tokenizer training: bad vocab_size: expected {} to {}, got {}", smallest,
                      kMaxVocabSize, options.vocab_size);
  MINILLM_CHECK_USAGE(options.character_coverage >= 0.98 && options.character_coverage <= 1.0,
                      "tokenizer training: bad character_coverage: expected 0.98 to 1, got {}",
                      options.character_coverage);
  SentenceSource sentences(texts);
  if (sentences.error()) std::rethrow_exception(sentences.error());
  MINILLM_CHECK(!sentences.done(), "tokenizer training: there is no text to learn from");

  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      std::unordered_map<std::string, std::string>{
          {"model_type", "bpe"},
          {"vocab_size", std::to_string(options.vocab_size)},
          {"character_coverage", fmt::format("{}", options.character_coverage)},
          {"byte_fallback", "true"},
          {"normalization_rule_name", "identity"},
          {"remove_extra_whitespaces", "false"},
          {"add_dummy_prefix", "false"},
          {"split_digits", "true"},
          {"allow_whitespace_only_pieces", "true"},
          {"max_sentence_length", std::to_string(kMaxSentenceBytes)},
          {"input_sentence_size", "0"},    // all of the text
          {"self_test_sample_size", "0"},  // drawn at random, and stored in the model
          {"num_threads", "1"},            // stored in the model
          {"unk_id", "0"},
          {"bos_id", "1"},
          {"eos_id", "2"},
          {"pad_id", "3"},
          {"control_symbols", controls},
          {"minloglevel", "2"}},
      &sentences, &model);
  if (sentences.error()) std::rethrow_exception(sentences.error());
  if (status.ok()) return model;

  const std::string message = status.error_message();
  const int64_t required =
      control_pieces + kBytePieces + sentences.required_characters(options.character_coverage);
  MINILLM_CHECK_USAGE(
      options.vocab_size >= required,
      "tokenizer training: vocab_size is too small for the characters of the text: expected at "
      "least {} ({} control pieces, 256 bytes, {} characters), got {} (train_tokenizer takes a "
      "lower "
      "character coverage, for which the rest is spelled in bytes)",
      required, control_pieces, required - control_pieces - kBytePieces, options.vocab_size);
  if (const auto largest = number_after(message, "value <= ")) {
    throw Error(
        fmt::format(
            "tokenizer training: vocab_size is too large for the text: expected at most {}, got {}",
            *largest, options.vocab_size),
        ExitCode::kUsage);
  }
  throw Error("tokenizer training: sentencepiece failed: " + message);
}

}  // namespace minillm
