// TokenTrie: the bytes of all pieces of a tokenizer as one tree, to ask many tokens at once.

#ifndef LIBMINILLM_CONSTRAIN_TOKEN_TRIE_H_
#define LIBMINILLM_CONSTRAIN_TOKEN_TRIE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/tokenizer.h"

namespace minillm {

class TokenTrie {
 public:
  // Of the pieces that are text, neither control pieces nor the unknown one nor unused ones; and of
  // the control pieces that mark calls of tools in the tokenizer's chat template, which stand for
  // two bytes that no text has. Throws Error if the tokenizer lacks a piece for a single byte that
  // UTF-8 has: then some text could not be continued.
  explicit TokenTrie(const Tokenizer& tokenizer);

  // In depth-first order: the nodes below node i are those from i + 1 to its `end`.
  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;  // 1: the first byte of a piece
    uint32_t end = 0;
    uint32_t first_token = 0, tokens = 0;  // the pieces that end here, in tokens()
  };
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const Token> tokens(const Node& node) const {
    return std::span(tokens_).subspan(node.first_token, node.tokens);
  }
  uint32_t longest() const { return longest_; }  // bytes of the longest piece
  const Tokenizer& tokenizer() const { return tokenizer_; }
  // Empty of what is neither text nor a mark.
  std::string_view bytes(Token token) const;
  // What a mark (ToolFormat::marks) is in a grammar: its letters, unless it is a control piece.
  static std::string mark_bytes(const Tokenizer& tokenizer, const std::string& mark);

 private:
  Tokenizer tokenizer_;
  std::vector<Node> nodes_;
  std::vector<Token> tokens_;
  std::map<Token, std::string> marks_;
  uint32_t longest_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_TOKEN_TRIE_H_
