#include "libminillm/data/pre_tokenizer.h"

#include <algorithm>

namespace minillm {

const char* const kGpt2Expression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

const char* const kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Names of one way stand together, the usual one first.
const std::vector<KnownPreTokenizer>& known() {
  static const std::vector<KnownPreTokenizer> kKnown = [] {
    const std::vector<WordCut> gpt2 = {{kGpt2Expression}}, llama3 = {{kLlama3}}, qwen2 = {{kQwen2}},
                               digits = {digit_cut(true), {kGpt2Expression}};
    return std::vector<KnownPreTokenizer>{{"gpt-2", gpt2},
                                          {"phi-2", gpt2},
                                          {"olmo", gpt2},
                                          {"llama-bpe", llama3, true},
                                          {"llama3", llama3, true},
                                          {"llama-v3", llama3, true},
                                          {"dbrx", llama3},
                                          {"smaug-bpe", llama3},
                                          {"qwen2", qwen2, false, true},
                                          {"stablelm2", qwen2},
                                          {"smollm", digits},
                                          {"starcoder", digits},
                                          {"refact", digits},
                                          {"codeshell", digits}};
  }();
  return kKnown;
}

// The known ways leave nothing but matches, so that it may be dropped.
bool cuts_alike(const WordCut& known, const WordCut& cut) {
  return known.expression == cut.expression && !cut.drops_matches &&
         (!cut.drops_rest || cut.expression != digit_cut(true).expression);
}

}  // namespace

WordCut digit_cut(bool individual) { return {individual ? "\\p{N}" : "\\p{N}+"}; }

const KnownPreTokenizer* known_pre_tokenizer(std::string_view name) {
  for (const KnownPreTokenizer& one : known())
    if (one.name == name) return &one;
  return nullptr;
}

const KnownPreTokenizer* known_pre_tokenizer(const std::vector<WordCut>& cuts, bool ignore_merges) {
  for (const KnownPreTokenizer& one : known())
    if (one.ignore_merges == ignore_merges && std::ranges::equal(one.cuts, cuts, cuts_alike))
      return &one;
  return nullptr;
}

PreTokenizer::PreTokenizer(const std::vector<WordCut>& cuts) {
  for (const WordCut& cut : cuts)
    steps_.push_back({Expression(cut.expression), !cut.drops_matches, !cut.drops_rest});
}

void PreTokenizer::for_each_word(std::string_view text,
                                 const std::function<void(std::string_view)>& word) const {
  cut(0, text, word);
}

void PreTokenizer::cut(size_t step, std::string_view text,
                       const std::function<void(std::string_view)>& word) const {
  if (text.empty()) return;
  if (step == steps_.size()) return word(text);
  const Step& here = steps_[step];
  size_t done = 0;
  const auto rest_until = [&](size_t end) {
    if (here.keeps_rest) cut(step + 1, text.substr(done, end - done), word);
  };
  for (Expression::Matches matches(here.expression, text); matches.next();) {
    rest_until(matches.begin());
    done = matches.end();
    if (here.keeps_matches)
      cut(step + 1, text.substr(matches.begin(), matches.end() - matches.begin()), word);
  }
  rest_until(text.size());
}

}  // namespace minillm
