#include "libminillm/checkpoint/hf_tokenizer_files.h"

#include <nlohmann/json.hpp>

#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

using nlohmann::ordered_json;

bool has_chat_markers(const Tokenizer& tokenizer) {
  return tokenizer.im_start() >= 0 && tokenizer.im_end() >= 0;
}

// "bos_token": "<s>", ... for the special tokens that the tokenizer has.
ordered_json special_tokens(const Tokenizer& tokenizer) {
  ordered_json names;
  const auto add = [&](const char* key, Token id) {
    if (id >= 0) names[key] = tokenizer.piece(id);
  };
  add("bos_token", tokenizer.bos());
  add("eos_token", tokenizer.eos());
  add("unk_token", tokenizer.unk());
  add("pad_token", tokenizer.pad());
  if (has_chat_markers(tokenizer)) {
    names["additional_special_tokens"] = {tokenizer.piece(tokenizer.im_start()),
                                          tokenizer.piece(tokenizer.im_end())};
  }
  return names;
}

// Makes the control pieces, which no text can produce, known as single tokens to other programs.
ordered_json added_tokens(const Tokenizer& tokenizer) {
  ordered_json tokens = ordered_json::object();
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_control(id) && id != tokenizer.unk()) continue;
    tokens[std::to_string(id)] = {{"content", tokenizer.piece(id)},
                                  {"lstrip", false},
                                  {"normalized", false},
                                  {"rstrip", false},
                                  {"single_word", false},
                                  {"special", true}};
  }
  return tokens;
}

// No prefix space and no legacy mode: our tokenizers are trained without sentencepiece's dummy
// prefix, so that the text's first word and every other one have the same pieces in all programs.
ordered_json tokenizer_config(const ModelConfig& config, const Tokenizer& tokenizer) {
  ordered_json j = special_tokens(tokenizer);
  j["tokenizer_class"] = "LlamaTokenizer";
  j["add_bos_token"] = true;
  j["add_eos_token"] = false;
  j["add_prefix_space"] = false;
  j["legacy"] = false;
  j["clean_up_tokenization_spaces"] = false;
  j["model_max_length"] = config.max_position_embeddings;
  j["added_tokens_decoder"] = added_tokens(tokenizer);
  if (has_chat_markers(tokenizer)) j["chat_template"] = chat_template_jinja();
  return j;
}

ordered_json generation_config(const Tokenizer& tokenizer) {
  ordered_json j;
  if (tokenizer.bos() >= 0) j["bos_token_id"] = tokenizer.bos();
  ordered_json ends = ordered_json::array();  // a text ends with </s>, an answer with <|im_end|>
  if (tokenizer.eos() >= 0) ends.push_back(tokenizer.eos());
  if (tokenizer.im_end() >= 0) ends.push_back(tokenizer.im_end());
  j["eos_token_id"] = ends;
  if (tokenizer.pad() >= 0) j["pad_token_id"] = tokenizer.pad();
  j["do_sample"] = false;
  j["max_new_tokens"] = 128;
  return j;
}

}  // namespace

std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer) {
  std::map<std::string, std::string> files;
  files["tokenizer.model"] = tokenizer.bytes();
  files["tokenizer_config.json"] = tokenizer_config(config, tokenizer).dump(2) + "\n";
  files["special_tokens_map.json"] = special_tokens(tokenizer).dump(2) + "\n";
  files["generation_config.json"] = generation_config(tokenizer).dump(2) + "\n";
  if (has_chat_markers(tokenizer)) files["chat_template.jinja"] = chat_template_jinja();
  return files;
}

}  // namespace minillm
