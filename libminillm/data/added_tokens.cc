#include "libminillm/data/added_tokens.h"

#include <algorithm>

#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

// The bytes of the white space character (Unicode's White_Space) at the beginning; 0: none.
size_t space_length(std::string_view text) {
  const auto c = static_cast<uint8_t>(text.empty() ? 'x' : text[0]);
  if (c < 0x80) return c == ' ' || (0x09 <= c && c <= 0x0d) ? 1 : 0;
  for (const std::string_view space :
       {"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
        "\xe2\x81\x9f", "\xe3\x80\x80"})
    if (text.starts_with(space)) return space.size();
  const bool between = text.starts_with("\xe2\x80") && text.size() > 2 &&
                       static_cast<uint8_t>(text[2]) <= 0x8a;  // U+2000 to U+200A
  return between ? 3 : 0;
}

size_t leading_spaces(std::string_view text) {
  size_t end = 0;
  while (const size_t length = space_length(text.substr(end))) end += length;
  return end;
}

// Where the white space at the end of the text begins.
size_t trailing_spaces(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t character = begin - 1;
    while (character > 0 && (static_cast<uint8_t>(text[character]) & 0xc0) == 0x80) --character;
    if (space_length(text.substr(character)) == 0) break;
    begin = character;
  }
  return begin;
}

}  // namespace

void AddedTokenFinder::add(std::string_view text, const Found& token) {
  if (text.empty()) return;
  first_.set(static_cast<uint8_t>(text[0]));
  uint32_t node = 0;
  for (const char c : text) {
    const uint64_t edge = uint64_t{node} << 8 | static_cast<uint8_t>(c);
    node = children_.emplace(edge, static_cast<uint32_t>(children_.size() + 1)).first->second;
  }
  found_.emplace(node, token);
}

size_t AddedTokenFinder::match(std::string_view text, const Found*& found) const {
  size_t longest = 0;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto child = children_.find(uint64_t{node} << 8 | static_cast<uint8_t>(text[i]));
    if (child == children_.end()) break;
    node = child->second;
    if (const auto here = found_.find(node); here != found_.end()) {
      found = &here->second;
      longest = i + 1;
    }
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text,
                             const std::function<void(std::string_view)>& run,
                             const std::function<void(Token)>& token) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !empty();) {
    const Found* found = nullptr;
    const size_t length =
        first_[static_cast<uint8_t>(text[at])] ? match(text.substr(at), found) : 0;
    if (length == 0) {
      ++at;
      continue;
    }
    const std::string_view before = text.substr(done, at - std::min(at, done));
    const size_t end = found->strips_left ? trailing_spaces(before) : before.size();
    if (end > 0) run(before.substr(0, end));
    token(found->token);
    at += length;
    done = std::max(done, at);
    if (found->strips_right) done = at + leading_spaces(text.substr(at));
  }
  if (done < text.size()) run(text.substr(done));
}

}  // namespace minillm
