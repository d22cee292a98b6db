#include "libminillm/constrain/token_trie.h"

#include <algorithm>
#include <bitset>
#include <string_view>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

using Piece = std::pair<std::string_view, Token>;

std::vector<Piece> text_pieces(const Tokenizer& tokenizer) {
  std::vector<Piece> pieces;
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    const PieceType type = tokenizer.pieces()[static_cast<size_t>(id)].type;
    if (type == PieceType::kControl || type == PieceType::kUnknown || type == PieceType::kUnused)
      continue;
    const std::string& bytes = tokenizer.token_bytes(id);
    if (!bytes.empty()) pieces.push_back({bytes, id});
  }
  std::ranges::sort(pieces);
  return pieces;
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

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const std::vector<Piece> pieces = text_pieces(tokenizer_);
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
