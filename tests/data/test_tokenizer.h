// A small tokenizer for tests, trained once per process.

#ifndef TESTS_DATA_TEST_TOKENIZER_H_
#define TESTS_DATA_TEST_TOKENIZER_H_

#include <string>
#include <utility>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/data/tokenizer.h"

namespace minillm_testing {

// A source that gives the texts one after another.
inline minillm::TextSource text_source(std::vector<std::string> texts) {
  return [texts = std::move(texts), next = size_t{0}](std::string& text) mutable {
    if (next == texts.size()) return false;
    text = texts[next++];
    return true;
  };
}

inline std::vector<std::string> tokenizer_corpus() {
  return {"the cooper walked to the harbour street with the old grey goose",
          "user asked the assistant a question and the assistant gave an answer",
          "a system of streets, harbours and houses; 12 coopers, 7 geese and 1930 bells",
          "the goose of the cooper is called Marla\nMarla walked home"};
}

inline const minillm::Tokenizer& test_tokenizer() {
  static const minillm::Tokenizer tokenizer = minillm::Tokenizer::from_bytes(
      minillm::train_tokenizer(text_source(tokenizer_corpus()), {.vocab_size = 380}), "test");
  return tokenizer;
}

// Random text in valid UTF-8: mostly words of the corpus, and any characters, even control ones.
inline std::string random_text(minillm::Rng& rng) {
  static const std::vector<std::string> kParts = {
      "the",          " the",       " cooper",      "  ",           " ",
      "\n",           "\t",         "\r\n",         "goose",        "12",
      "<|im_start|>", "<|im_end|>", "</s>",         "<s>",          "<pad>",
      "<unk>",        "<0x41>",     "\xe2\x96\x81", "\xe2\x96\x85", "\xef\xbf\xbd",
      "\xef\xbb\xbf"};
  std::string text;
  for (uint64_t i = rng.below(20); i > 0; --i) {
    if (rng.chance(0.7)) {
      text += rng.pick(kParts);
      continue;
    }
    uint32_t c = static_cast<uint32_t>(rng.chance(0.5) ? rng.below(0x80) : rng.below(0x110000));
    if (c >= 0xd800 && c < 0xe000) c = 0x1f600;  // a surrogate is not a character
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      text += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
               static_cast<char>(0x80 | (c & 63))};
    } else {
      text += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
               static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
    }
  }
  return text;
}

}  // namespace minillm_testing

#endif  // TESTS_DATA_TEST_TOKENIZER_H_
