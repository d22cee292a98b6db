// How a text is cut into words before they are encoded each by itself. Internal: not included by
// public headers.

#ifndef LIBMINILLM_DATA_PRE_TOKENIZER_H_
#define LIBMINILLM_DATA_PRE_TOKENIZER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/expression.h"

namespace minillm {

// A text is cut at the beginning and the end of what the expression matches.
struct WordCut {
  std::string expression;  // as Oniguruma has it
  bool drops_matches = false, drops_rest = false;
  bool operator==(const WordCut&) const = default;
};

class PreTokenizer {
 public:
  // Each cut divides what the ones before it left. Throws Error if an expression is not supported.
  explicit PreTokenizer(const std::vector<WordCut>& cuts);
  // Calls back with the words of valid UTF-8, from left to right, none of them empty.
  void for_each_word(std::string_view text,
                     const std::function<void(std::string_view)>& word) const;

 private:
  struct Step {
    Expression expression;
    bool keeps_matches, keeps_rest;
  };
  void cut(size_t step, std::string_view text,
           const std::function<void(std::string_view)>& word) const;
  std::vector<Step> steps_;
};

// GPT-2's expression, which ByteLevel cuts by unless it is told not to.
extern const char* const kGpt2Expression;
// Cuts every digit, or run of digits, from the rest.
WordCut digit_cut(bool individual);

// A way to cut that has a name in GGUF files (tokenizer.ggml.pre).
struct KnownPreTokenizer {
  std::string name;
  std::vector<WordCut> cuts;
  bool ignore_merges = false;
  bool nfc = false;
};
// nullptr if no way of this name is known.
const KnownPreTokenizer* known_pre_tokenizer(std::string_view name);
// The one that cuts like this; nullptr if there is none.
const KnownPreTokenizer* known_pre_tokenizer(const std::vector<WordCut>& cuts, bool ignore_merges);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_PRE_TOKENIZER_H_
