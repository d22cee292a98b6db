// Texts that are control tokens elsewhere: written in data as letters, they are learned as letters,
// which is rarely what was meant. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_CONTROL_TEXTS_H_
#define LIBMINILLM_DATA_CONTROL_TEXTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace minillm {

// What ends a document wherever it occurs in a corpus.
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

inline constexpr std::array<std::string_view, 26> kControlTexts = {kEndOfText,
                                                                   "<|im_start|>",
                                                                   "<|im_end|>",
                                                                   "<|eot_id|>",
                                                                   "<|begin_of_text|>",
                                                                   "<|end_of_text|>",
                                                                   "<s>",
                                                                   "</s>",
                                                                   "<bos>",
                                                                   "<eos>",
                                                                   "<pad>",
                                                                   "[INST]",
                                                                   "[/INST]",
                                                                   "<<SYS>>",
                                                                   "<|user|>",
                                                                   "<|assistant|>",
                                                                   "<|system|>",
                                                                   "<|start_header_id|>",
                                                                   "<start_of_turn>",
                                                                   "<end_of_turn>",
                                                                   "### Human:",
                                                                   "### Assistant:",
                                                                   "### Instruction:",
                                                                   "### Response:",
                                                                   "\n\nHuman:",
                                                                   "\n\nAssistant:"};

// Counts the texts of a data set that hold some.
class ControlTextCounter {
 public:
  void add(std::string_view text);
  int64_t texts() const { return texts_; }
  // `3 of 24 documents hold "<s>" (3), "</s>" (2), which stay plain text ...`; empty if none does.
  std::string warning(int64_t total, const char* unit) const;

 private:
  std::array<int64_t, kControlTexts.size()> counts_ = {};
  int64_t texts_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_CONTROL_TEXTS_H_
