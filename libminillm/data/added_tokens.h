// Tokens that are found in a text before its words are. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_ADDED_TOKENS_H_
#define LIBMINILLM_DATA_ADDED_TOKENS_H_

#include <bitset>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libminillm/core/real.h"

namespace minillm {

class AddedTokenFinder {
 public:
  struct Found {
    Token token = -1;
    bool strips_left = false, strips_right = false;  // takes the white space beside it
  };
  void add(std::string_view text, const Found& token);
  bool empty() const { return found_.empty(); }

  // Calls back with the runs of text between the tokens, none empty, and with the tokens, in their
  // order. Of tokens that begin at one place the longest is taken. Linear in the text, times the
  // longest token's length.
  void split(std::string_view text, const std::function<void(std::string_view)>& run,
             const std::function<void(Token)>& token) const;

 private:
  // Length of the longest token at the beginning of the text; 0 if there is none.
  size_t match(std::string_view text, const Found*& found) const;

  std::bitset<256> first_;                           // bytes that begin one
  std::unordered_map<uint64_t, uint32_t> children_;  // a trie: node * 256 + byte -> node; 0: root
  std::unordered_map<uint32_t, Found> found_;        // nodes where a token ends
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_ADDED_TOKENS_H_
