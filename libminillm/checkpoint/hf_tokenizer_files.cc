#include "libminillm/checkpoint/hf_tokenizer_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/file_kind.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/tokenizer_json.h"

namespace minillm {
namespace {

using nlohmann::ordered_json;

constexpr const char* kTokenizerConfig = "tokenizer_config.json";
constexpr const char* kJinja = "chat_template.jinja";
constexpr uint64_t kMaxTemplateBytes = 1 << 20;

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
  const auto add = [&](Token id, bool special) {
    tokens[std::to_string(id)] = {{"content", tokenizer.piece(id)},
                                  {"lstrip", false},
                                  {"normalized", false},
                                  {"rstrip", false},
                                  {"single_word", false},
                                  {"special", special}};
  };
  for (Token id = 0; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.is_control(id) || id == tokenizer.unk()) add(id, true);
  for (const AddedToken& token : tokenizer.special().added)
    if (!token.special) add(token.id, false);  // those that tokenizer.json has are in it
  return tokens;
}

// Our tokenizers are trained without sentencepiece's dummy prefix, so that a text's first word has
// the same pieces as any other, in all programs. For others', "legacy" means what
// data/chat_template.cc does: a prefix for every run of text.
ordered_json tokenizer_config(const ModelConfig& config, const Tokenizer& tokenizer) {
  ordered_json j = special_tokens(tokenizer);
  const bool json = tokenizer.file_name() == kTokenizerJsonName;
  j["tokenizer_class"] = json ? "PreTrainedTokenizerFast" : "LlamaTokenizer";
  j["add_bos_token"] = tokenizer.special().add_bos;
  j["add_eos_token"] = tokenizer.special().add_eos;
  if (!json) {  // which says it itself
    j["add_prefix_space"] = tokenizer.adds_leading_space();
    j["legacy"] = tokenizer.adds_leading_space();
  }
  j["clean_up_tokenization_spaces"] = false;
  j["model_max_length"] = config.max_position_embeddings;
  j["added_tokens_decoder"] = added_tokens(tokenizer);
  if (!tokenizer.jinja().empty()) j["chat_template"] = tokenizer.jinja();
  return j;
}

// How the source of a model samples is kept; ours is greedy.
ordered_json generation_config(const Tokenizer& tokenizer) {
  ordered_json j;
  if (tokenizer.bos() >= 0) j["bos_token_id"] = tokenizer.bos();
  j["eos_token_id"] =
      tokenizer.end_tokens();  // a text ends with </s>, an answer with its end token
  if (tokenizer.pad() >= 0) j["pad_token_id"] = tokenizer.pad();
  if (tokenizer.special().generation.empty()) {
    j["do_sample"] = false;
    j["max_new_tokens"] = 128;
  } else {
    j.update(ordered_json::parse(tokenizer.special().generation));
  }
  return j;
}

}  // namespace

std::map<std::string, std::string> hf_tokenizer_files(const ModelConfig& config,
                                                      const Tokenizer& tokenizer) {
  std::map<std::string, std::string> files;
  files[tokenizer.file_name()] = tokenizer.bytes();
  files[kTokenizerConfig] = tokenizer_config(config, tokenizer).dump(2) + "\n";
  files["special_tokens_map.json"] = special_tokens(tokenizer).dump(2) + "\n";
  files["generation_config.json"] = generation_config(tokenizer).dump(2) + "\n";
  if (!tokenizer.jinja().empty()) files[kJinja] = tokenizer.jinja();
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

// The pieces of a tokenizer's file, and what it says itself of special tokens.
std::vector<SentencePieceInfo> read_pieces(const std::string& bytes, const std::string& path,
                                           SpecialTokens& own) {
  if (!is_tokenizer_json(bytes)) return check_sentencepiece_model(bytes, path).pieces;
  const TokenizerJson file = parse_tokenizer_json(bytes, path);
  if (file.bos >= 0) own.bos = file.bos;
  if (file.eos >= 0) own.eos = file.eos;
  own.add_bos = file.bos >= 0;
  own.add_eos = file.eos >= 0;
  return pieces_of(file);
}

}  // namespace

std::string read_chat_template(const std::string& directory) {
  const std::string jinja = join_path(directory, kJinja);
  if (file_exists(jinja)) return read_file(jinja, kMaxTemplateBytes);  // it goes first
  const std::string config = join_path(directory, kTokenizerConfig);
  if (!file_exists(config)) return "";
  const nlohmann::json parsed = read_json_file(config);
  const auto* given = JsonObject(parsed, fmt::format("file '{}'", config)).find("chat_template");
  return given == nullptr ? "" : default_chat_template(*given);
}

Tokenizer with_jinja(const Tokenizer& tokenizer, const std::string& jinja,
                     const std::string& source) {
  const ChatTemplate* known = recognise_chat_template(jinja);
  if (known == nullptr)
    return tokenizer.without_chat_template(
        fmt::format("the chat template of '{}' is none that is known (options.chat_template "
                    "chooses one that is)",
                    source),
        jinja);
  try {
    return tokenizer.with_chat_template(*known);
  } catch (const Error& e) {
    return tokenizer.without_chat_template(fmt::format("that of '{}': {}", source, e.what()),
                                           jinja);
  }
}

std::string tokenizer_file(const std::string& directory) {
  for (const char* name : {kSentencepieceName, kTokenizerJsonName})
    if (std::string path = join_path(directory, name); file_exists(path)) return path;
  return "";
}

Tokenizer load_hf_tokenizer(const std::string& directory, Index max_pieces) {
  std::string path = tokenizer_file(directory);
  if (path.empty()) path = join_path(directory, kSentencepieceName);  // which is said to be missing
  const std::string bytes = read_file(path, kMaxModelBytes);
  expect_not_foreign(path, std::string_view(bytes).substr(0, kFileKindBytes),
                     path.ends_with(kTokenizerJsonName) ? "JSON" : "a sentencepiece model");
  SpecialTokens own;
  const std::vector<SentencePieceInfo> pieces = read_pieces(bytes, path, own);
  // Before the tokenizer is built, which takes a second for every 70,000 of them.
  MINILLM_CHECK(static_cast<Index>(pieces.size()) <= max_pieces,
                "file '{}': has {} pieces: expected at most the model's vocab_size = {}", path,
                pieces.size(), max_pieces);
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(bytes, path, read_special_tokens(directory, pieces, own));
  const std::string jinja = read_chat_template(directory);
  if (jinja.empty()) return tokenizer;
  return with_jinja(tokenizer, jinja, directory);
}

}  // namespace minillm
