#include "libminillm/constrain/token_trie.h"

#include <algorithm>
#include <bitset>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

constexpr char kMarkByte = '\xff';  // of no UTF-8: a piece for this byte alone forges no mark

using Piece = std::pair<std::string_view, Token>;

const std::vector<std::string>& marks_of(const Tokenizer& tokenizer) {
  static const std::vector<std::string> kNone;
  const ChatTemplate* const format = tokenizer.chat_template();
  return format == nullptr || format->tools == nullptr ? kNone : format->tools->marks;
}

bool is_text(PieceType type) {
  return type != PieceType::kControl && type != PieceType::kUnknown && type != PieceType::kUnused;
}

void expect_all_bytes(const std::vector<Piece>& pieces) {
  std::bitset<256> single;
  for (const Piece& piece : pieces)
    if (piece.first.size() == 1) single.set(static_cast<uint8_t>(piece.first[0]));
  for (size_t byte = 0; byte < 0xf5; ++byte) {
    if (byte == 0xc0 || byte == 0xc1) continue;  // UTF-8 has neither
    MINILLM_CHECK(single[byte],
                  "constraint: the tokenizer cannot spell every text: expected a piece for each "
                  "single byte, got none for 0x{:02X} (a tokenizer with byte fallback is needed)",
                  byte);
  }
}

}  // namespace

std::string TokenTrie::mark_bytes(const Tokenizer& tokenizer, const std::string& mark) {
  if (tokenizer.control(mark) < 0) return mark;
  const std::vector<std::string>& marks = marks_of(tokenizer);
  return {kMarkByte, static_cast<char>(std::ranges::find(marks, mark) - marks.begin())};
}

std::string_view TokenTrie::bytes(Token token) const {
  if (const auto mark = marks_.find(token); mark != marks_.end()) return mark->second;
  if (token < 0 || token >= tokenizer_.vocab_size()) return {};
  if (!is_text(tokenizer_.pieces()[static_cast<size_t>(token)].type)) return {};
  const std::string& bytes = tokenizer_.token_bytes(token);
  return bytes.find(kMarkByte) == bytes.npos ? std::string_view(bytes) : std::string_view();
}

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const std::string& mark : marks_of(tokenizer_))
    if (const Token token = tokenizer_.control(mark); token >= 0)
      marks_[token] = mark_bytes(tokenizer_, mark);
  std::vector<Piece> pieces;
  for (Token id = 0; id < tokenizer_.vocab_size(); ++id)
    if (!bytes(id).empty()) pieces.push_back({bytes(id), id});
  std::ranges::sort(pieces);
  expect_all_bytes(pieces);
  std::vector<uint32_t> path;  // the nodes that the last piece leads through
  std::string_view last;
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (const auto& [bytes, token] : pieces) {
    MINILLM_CHECK(bytes.size() <= UINT16_MAX, "constraint: piece {} has {} bytes", token,
                  bytes.size());
    close(static_cast<size_t>(std::ranges::mismatch(bytes, last).in1 - bytes.begin()));
    while (path.size() < bytes.size()) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(bytes[path.size() - 1]),
                        .depth = static_cast<uint16_t>(path.size()),
                        .first_token = static_cast<uint32_t>(tokens_.size())});
    }
    ++nodes_[path.back()].tokens;
    tokens_.push_back(token);
    last = bytes;
    longest_ = std::max(longest_, static_cast<uint32_t>(bytes.size()));
  }
  close(0);
}

}  // namespace minillm
