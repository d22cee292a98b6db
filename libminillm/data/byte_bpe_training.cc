#include "libminillm/data/byte_bpe_training.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "libminillm/core/check.h"
#include "libminillm/data/tokenizer_json.h"
#include "libminillm/data/tool_format.h"

namespace minillm {
namespace {

constexpr const char* kOwnTokens[] = {"<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"};
constexpr int64_t kBytes = 256;
constexpr int64_t kMaxVocabSize = 1000000;
constexpr size_t kMaxWordBytes = 256;          // longer ones are learned from in parts
constexpr int64_t kFewest = 2;                 // a pair that comes once is no pattern
constexpr const char* kPreTokenizer = "dbrx";  // Llama 3's expression; words are merged as learned

// The distinct words of the texts, and how often each comes, in an order that the texts decide.
std::vector<std::pair<std::string, int64_t>> count_words(const TextSource& texts) {
  const PreTokenizer cutter(known_pre_tokenizer(kPreTokenizer)->cuts);
  std::unordered_map<std::string, int64_t> counts;
  for (std::string text; text.clear(), texts(text);) {
    size_t bad_byte = 0;
    MINILLM_CHECK(is_valid_utf8(text, &bad_byte),
                  "tokenizer training: text is not UTF-8: byte {} is 0x{:02X}", bad_byte,
                  static_cast<uint8_t>(text[bad_byte]));
    cutter.for_each_word(text, [&](std::string_view word) {
      for (; word.size() > kMaxWordBytes; word.remove_prefix(kMaxWordBytes))
        ++counts[std::string(word.substr(0, kMaxWordBytes))];
      ++counts[std::string(word)];
    });
  }
  std::vector<std::pair<std::string, int64_t>> words(counts.begin(), counts.end());
  std::sort(words.begin(), words.end());
  return words;
}

class Trainer {
 public:
  Trainer(const std::vector<std::pair<std::string, int64_t>>& words, Token first_byte) {
    for (const auto& [text, count] : words) {
      Word word = {{}, count};
      for (const char c : text) word.symbols.push_back(first_byte + static_cast<uint8_t>(c));
      words_.push_back(std::move(word));
      for (size_t i = 0; i + 1 < words_.back().symbols.size(); ++i)
        change(words_.back().symbols[i], words_.back().symbols[i + 1], words_.size() - 1, count);
    }
    queue_changed();
  }

  struct Pair {
    Token left, right;
  };
  // The most frequent pair, which is to be merged next; nothing if none comes often enough.
  std::optional<Pair> best() {
    for (; !queue_.empty(); queue_.pop()) {
      const Candidate top = queue_.top();
      if (top.count != pairs_[top.pair].count) continue;  // another entry says what it is now
      if (top.count < kFewest) break;
      return Pair{static_cast<Token>(top.pair >> 32), static_cast<Token>(top.pair)};
    }
    return std::nullopt;
  }
  void merge(const BpeMerge& merge) {
    std::vector<uint32_t> in = std::move(pairs_[pair_of(merge.left, merge.right)].words);
    std::sort(in.begin(), in.end());
    in.erase(std::unique(in.begin(), in.end()), in.end());
    for (const uint32_t word : in) replace(merge, word);
    queue_changed();
  }

 private:
  struct Word {
    std::vector<Token> symbols;
    int64_t count = 0;
  };
  struct Occurrences {
    int64_t count = 0;
    std::vector<uint32_t> words;  // where it has come; some may have lost it
  };
  struct Candidate {
    int64_t count;
    uint64_t pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void change(Token left, Token right, size_t word, int64_t by) {
    Occurrences& pair = pairs_[pair_of(left, right)];
    pair.count += by;
    if (by > 0) pair.words.push_back(static_cast<uint32_t>(word));
    changed_.push_back(pair_of(left, right));
  }

  void queue_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const uint64_t pair : changed_)
      if (pairs_[pair].count > 0) queue_.push({pairs_[pair].count, pair});
    changed_.clear();
  }

  void replace(const BpeMerge& merge, uint32_t at) {
    Word& word = words_[at];
    std::vector<Token>& symbols = word.symbols;
    const auto count_all = [&](int64_t by) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) change(symbols[i], symbols[i + 1], at, by);
    };
    count_all(-word.count);
    size_t kept = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      const bool here =
          i + 1 < symbols.size() && symbols[i] == merge.left && symbols[i + 1] == merge.right;
      symbols[kept++] = here ? merge.result : symbols[i];
      i += here;
    }
    symbols.resize(kept);
    count_all(word.count);
  }

  std::vector<Word> words_;
  std::unordered_map<uint64_t, Occurrences> pairs_;
  std::vector<uint64_t> changed_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

std::string train_byte_bpe(const TextSource& texts, const TokenizerTrainingOptions& options) {
  ByteBpeSpec spec;
  spec.pre = kPreTokenizer;
  const auto add = [&](std::string_view text) {
    spec.added.push_back({static_cast<Token>(spec.added.size()), std::string(text), true});
  };
  for (const char* text : kOwnTokens) add(text);
  if (options.tool_marks)
    for (const std::string_view mark : kToolMarks) add(mark);
  spec.bos = 0;
  const int64_t smallest = std::ssize(spec.added) + kBytes + 1;
  MINILLM_CHECK_USAGE(options.vocab_size >= smallest && options.vocab_size <= kMaxVocabSize,
                      "tokenizer training: bad vocab_size: expected {} to {}, got {}", smallest,
                      kMaxVocabSize, options.vocab_size);
  const std::vector<std::pair<std::string, int64_t>> words = count_words(texts);
  MINILLM_CHECK(!words.empty(), "tokenizer training: there is no text to learn from");

  spec.tokens.resize(spec.added.size());
  const auto first_byte = static_cast<Token>(spec.tokens.size());
  for (int byte = 0; byte < kBytes; ++byte)
    spec.tokens.emplace_back(byte_letter(static_cast<uint8_t>(byte)));
  Trainer trainer(words, first_byte);
  std::unordered_map<std::string, Token> ids;
  while (std::ssize(spec.tokens) < options.vocab_size) {
    const auto pair = trainer.best();
    MINILLM_CHECK_USAGE(
        pair.has_value(),
        "tokenizer training: vocab_size is too large for the text: expected at most {}, got {}",
        spec.tokens.size(), options.vocab_size);
    const std::string left = spec.tokens[static_cast<size_t>(pair->left)];
    const std::string right = spec.tokens[static_cast<size_t>(pair->right)];
    spec.merges.emplace_back(left, right);
    // Two pairs may spell one token.
    const auto [token, is_new] = ids.emplace(left + right, static_cast<Token>(spec.tokens.size()));
    if (is_new) spec.tokens.push_back(token->first);
    trainer.merge({pair->left, pair->right, token->second});
  }
  return write_tokenizer_json(spec);
}

}  // namespace minillm
