#include "libminillm/checkpoint/hf_tokenizer_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/strict_json.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

using nlohmann::ordered_json;

constexpr const char* kTokenizerConfig = "tokenizer_config.json";
constexpr const char* kJinja = "chat_template.jinja";

bool is_named(const ordered_json& names, const std::string& piece) {
  for (const auto& [key, name] : names.items())
    if (name == piece) return true;
  return false;
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
  ordered_json others = ordered_json::array();
  for (Token id = 0; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.is_control(id) && !is_named(names, tokenizer.piece(id)))
      others.push_back(tokenizer.piece(id));
  if (!others.empty()) names["additional_special_tokens"] = others;
  return names;
}

// Tells other programs that the control pieces, which no text can produce, are single tokens.
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

// Our tokenizers are trained without sentencepiece's dummy prefix, so that a text's first word has
// the same pieces as any other, in all programs. For others', "legacy" means what
// data/chat_template.cc does: a prefix for every run of text.
ordered_json tokenizer_config(const ModelConfig& config, const Tokenizer& tokenizer) {
  ordered_json j = special_tokens(tokenizer);
  j["tokenizer_class"] = "LlamaTokenizer";
  j["add_bos_token"] = true;
  j["add_eos_token"] = false;
  j["add_prefix_space"] = tokenizer.adds_leading_space();
  j["legacy"] = tokenizer.adds_leading_space();
  j["clean_up_tokenization_spaces"] = false;
  j["model_max_length"] = config.max_position_embeddings;
  j["added_tokens_decoder"] = added_tokens(tokenizer);
  if (tokenizer.chat_template() != nullptr) j["chat_template"] = tokenizer.chat_template()->jinja;
  return j;
}

ordered_json generation_config(const Tokenizer& tokenizer) {
  ordered_json j;
  if (tokenizer.bos() >= 0) j["bos_token_id"] = tokenizer.bos();
  ordered_json ends = ordered_json::array();  // a text ends with </s>, an answer with its end token
  if (tokenizer.eos() >= 0) ends.push_back(tokenizer.eos());
  const Token end = tokenizer.answer_end();
  if (end >= 0 && end != tokenizer.eos()) ends.push_back(end);
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
  files[kTokenizerConfig] = tokenizer_config(config, tokenizer).dump(2) + "\n";
  files["special_tokens_map.json"] = special_tokens(tokenizer).dump(2) + "\n";
  files["generation_config.json"] = generation_config(tokenizer).dump(2) + "\n";
  if (tokenizer.chat_template() != nullptr) files[kJinja] = tokenizer.chat_template()->jinja;
  return files;
}

namespace {

// A text, or a list of {name, template} of which "default" counts. Anything else is a template that
// nobody knows.
std::string default_chat_template(const nlohmann::json& given) {
  if (given.is_string()) return given.get<std::string>();
  if (given.is_object() && given.contains("default") && given["default"].is_string())
    return given["default"].get<std::string>();
  if (given.is_array()) {
    for (const nlohmann::json& entry : given)
      if (entry.is_object() && entry.value("name", nlohmann::json()) == "default" &&
          entry.value("template", nlohmann::json()).is_string())
        return entry["template"].get<std::string>();
  }
  return given.empty() ? "" : "{% several templates, none of them called default %}";
}

}  // namespace

HfTokenizerFacts read_hf_tokenizer_facts(const std::string& directory) {
  HfTokenizerFacts facts;
  const std::string config = join_path(directory, kTokenizerConfig);
  const std::string jinja = join_path(directory, kJinja);
  if (file_exists(config)) {
    const nlohmann::json parsed = read_json_file(config);
    const JsonObject object(parsed, fmt::format("file '{}'", config));
    facts.add_bos = object.boolean_or("add_bos_token", true);
    facts.add_eos = object.boolean_or("add_eos_token", false);
    if (const nlohmann::json* given = object.find("chat_template"))
      facts.chat_template = default_chat_template(*given);
  }
  if (file_exists(jinja)) facts.chat_template = read_file(jinja);  // it goes first
  return facts;
}

Tokenizer load_hf_tokenizer(const std::string& directory) {
  const Tokenizer tokenizer = Tokenizer::load(join_path(directory, "tokenizer.model"));
  const std::string jinja = read_hf_tokenizer_facts(directory).chat_template;
  if (jinja.empty()) return tokenizer;
  const ChatTemplate* known = recognise_chat_template(jinja);
  if (known == nullptr)
    return tokenizer.without_chat_template(fmt::format(
        "the chat template of '{}' is none that is known (options.chat_template chooses "
        "one that is)",
        directory));
  try {
    return tokenizer.with_chat_template(*known);
  } catch (const Error& e) {
    return tokenizer.without_chat_template(fmt::format("that of '{}': {}", directory, e.what()));
  }
}

}  // namespace minillm
