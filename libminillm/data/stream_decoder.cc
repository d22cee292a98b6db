// Decodes token by token (data/tokenizer.h).

#include <algorithm>

#include "libminillm/data/tokenizer.h"

namespace minillm {

std::string StreamDecoder::push(Token token) {
  std::string_view bytes = tokenizer_.token_bytes(token);
  if (!started_ && tokenizer_.adds_leading_space() && bytes.starts_with(' ')) {
    bytes.remove_prefix(1);
    started_ = true;
  }
  started_ = started_ || !bytes.empty();
  held_ += bytes;

  // An incomplete character has at most 3 bytes.
  size_t complete = held_.size();
  for (size_t tail = 1; tail <= std::min<size_t>(3, held_.size()); ++tail) {
    bool cut_off = false;
    utf8_character_length(std::string_view(held_).substr(held_.size() - tail), &cut_off);
    if (cut_off) complete = held_.size() - tail;
  }
  std::string certain = replace_invalid_utf8(std::string_view(held_).substr(0, complete));
  held_.erase(0, complete);
  return certain;
}

std::string StreamDecoder::finish() {
  std::string rest = replace_invalid_utf8(held_);
  held_.clear();
  started_ = continues_;
  return rest;
}

}  // namespace minillm
