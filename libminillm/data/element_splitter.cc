#include "libminillm/data/element_splitter.h"

#include <algorithm>
#include <limits>

#include "libminillm/data/json_records.h"  // trim

namespace minillm {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

void ElementSplitter::take(std::string_view bytes) {
  element_ += bytes.substr(0, limit_ + 1 - std::min(element_.size(), limit_ + 1));
}

void ElementSplitter::end_element() {
  visit_(element_line_, trim(element_));
  element_.clear();
  inside_ = false;
  depth_ = 0;
}

size_t ElementSplitter::push(std::string_view piece) {
  size_t begin = 0;  // of what `element_` has not taken
  for (size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    if (c == '\n') ++line_;
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      continue;
    }
    const bool top = depth_ == 0;
    const bool separates = top && (array_ ? c == ',' || c == ']' : is_space(c));
    if (separates) {
      if (inside_) {
        take(piece.substr(begin, i - begin));
        end_element();
      }
      if (array_ && c == ']') {
        ended_ = true;
        return i + 1;
      }
      continue;
    }
    if (!inside_) {
      if (is_space(c)) continue;
      inside_ = true;
      begin = i;
      element_line_ = line_;
    }
    if (c == '"') {
      in_string_ = true;
    } else if (c == '[' || c == '{') {
      ++depth_;
    } else if (c == ']' || c == '}') {
      // One too many belongs to a broken element, and ends with it.
      depth_ = std::max<int64_t>(depth_ - 1, 0);
      if (!array_ && depth_ == 0) {
        take(piece.substr(begin, i + 1 - begin));
        end_element();
      }
    }
  }
  if (inside_) take(piece.substr(begin));
  return piece.size();
}

void ElementSplitter::finish() {
  if (inside_) end_element();
}

size_t first_value_length(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return 0;
  if (text[begin] == '"') {  // as no bracket ends it
    for (size_t i = begin + 1; i < text.size(); ++i) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        return i + 1;
    }
    return 0;
  }
  if (text[begin] != '{' && text[begin] != '[') {
    const size_t end = text.find_first_of(" \t\r\n,]}", begin);
    return end == std::string_view::npos ? 0 : end;
  }
  int64_t depth = 0;
  bool in_string = false;
  for (size_t i = begin; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\')
        ++i;
      else
        in_string = text[i] != '"';
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{' || text[i] == '[') {
      ++depth;
    } else if ((text[i] == '}' || text[i] == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

}  // namespace minillm
