// Small tokenizer.json files for tests, made by hand.

#ifndef TESTS_DATA_SMALL_TOKENIZER_JSON_H_
#define TESTS_DATA_SMALL_TOKENIZER_JSON_H_

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "libminillm/data/tokenizer_json.h"

namespace minillm_testing {

// The 256 bytes are ids 0 to 255, so that a character below U+0080 is its own id; then " t" 256,
// "he" 257, " the" 258, "12" 259 and "123" 260; then <s> 261, <|im_start|> 262 and <|im_end|> 263,
// which are special, and <think> 264, which is not.
inline minillm::ByteBpeSpec small_byte_bpe(const char* pre = "llama-bpe") {
  minillm::ByteBpeSpec spec;
  for (int byte = 0; byte < 256; ++byte)
    spec.tokens.emplace_back(minillm::byte_letter(static_cast<uint8_t>(byte)));
  for (const auto& [left, right] :
       {std::pair{"\xc4\xa0", "t"}, std::pair{"h", "e"}, std::pair{"\xc4\xa0t", "he"},
        std::pair{"1", "2"}, std::pair{"12", "3"}}) {
    spec.merges.emplace_back(left, right);
    spec.tokens.push_back(std::string(left) + right);
  }
  spec.pre = pre;
  spec.added = {{261, "<s>", true},
                {262, "<|im_start|>", true},
                {263, "<|im_end|>", true},
                {264, "<think>", false}};
  return spec;
}

inline nlohmann::json small_tokenizer_json(const char* pre = "llama-bpe") {
  return nlohmann::json::parse(minillm::write_tokenizer_json(small_byte_bpe(pre)));
}

// Characters with byte fallback, as Llama 2 has them: <unk> 0, <s> 1, </s> 2, the bytes 3 to 258,
// then U+2581 259, "a" 260, "b" 261, U+2581 "a" 262, "ab" 263 and U+2581 "ab" 264.
inline nlohmann::json small_llama2_json() {
  using nlohmann::json;
  const std::string space = "\xe2\x96\x81";
  json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = 3 + byte;
  int next = 259;
  for (const std::string& text :
       {space, std::string("a"), std::string("b"), space + "a", std::string("ab"), space + "ab"})
    vocabulary[text] = next++;
  const json merges = {space + " a", "a b", space + " ab", space + "a b"};
  json added = json::array();
  for (int id = 0; id < 3; ++id)
    added.push_back({{"id", id},
                     {"content", id == 0   ? "<unk>"
                                 : id == 1 ? "<s>"
                                           : "</s>"},
                     {"special", true},
                     {"normalized", false}});
  const auto pattern = [](const std::string& text) { return json{{"String", text}}; };
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             json::array({{{"type", "Prepend"}, {"prepend", space}},
                          {{"type", "Replace"}, {"pattern", pattern(" ")}, {"content", space}}})}}},
          {"pre_tokenizer", nullptr},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", json::array({{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                                    {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}}},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             json::array({{{"type", "Replace"}, {"pattern", pattern(space)}, {"content", " "}},
                          {{"type", "ByteFallback"}},
                          {{"type", "Fuse"}},
                          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocabulary},
            {"merges", merges}}}};
}

}  // namespace minillm_testing

#endif  // TESTS_DATA_SMALL_TOKENIZER_JSON_H_
