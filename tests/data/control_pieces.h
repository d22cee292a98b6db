// Tokenizers like others', made from one of ours: what is appended to a protobuf is merged.

#ifndef TESTS_DATA_CONTROL_PIECES_H_
#define TESTS_DATA_CONTROL_PIECES_H_

#include <string>

#include "libminillm/data/tokenizer.h"

namespace minillm_testing {

// ModelProto { pieces { piece, score: 0, type: CONTROL } }
inline std::string control_piece(const std::string& text) {
  const std::string fields = "\x0a" + std::string(1, static_cast<char>(text.size())) + text +
                             std::string("\x15\0\0\0\0\x18\x03", 7);
  return "\x0a" + std::string(1, static_cast<char>(fields.size())) + fields;
}

// With the control pieces of every chat template; and, if `prefix`, with a dummy prefix, as most of
// others' models have.
inline minillm::Tokenizer tokenizer_for_all_templates(const minillm::Tokenizer& ours, bool prefix) {
  std::string bytes = ours.bytes();
  for (const char* piece :
       {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
        "<|eot_id|>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
        "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<bos>", "<start_of_turn>",
        "<end_of_turn>"})
    bytes += control_piece(piece);
  if (prefix) bytes += std::string("\x1a\x02\x18\x01", 4);  // normalizer_spec { add_dummy_prefix }
  return minillm::Tokenizer::from_bytes(bytes, "test");
}

}  // namespace minillm_testing

#endif  // TESTS_DATA_CONTROL_PIECES_H_
