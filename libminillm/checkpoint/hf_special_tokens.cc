// The special tokens of a model directory, from all the files that may name some.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using nlohmann::json;

// The file's object; an empty one if there is no such file.
json read_if_there(const std::string& directory, const char* name) {
  const std::string path = join_path(directory, name);
  if (!file_exists(path)) return json::object();
  json parsed = read_json_file(path);
  MINILLM_CHECK(parsed.is_object(), "file '{}': expected a JSON object, got {}", path,
                parsed.type_name());
  return parsed;
}

class Reader {
 public:
  Reader(const std::string& directory, const std::vector<SentencePieceInfo>& pieces)
      : config_(read_if_there(directory, "config.json")),
        generation_(read_if_there(directory, "generation_config.json")),
        tokenizer_(read_if_there(directory, "tokenizer_config.json")),
        map_(read_if_there(directory, "special_tokens_map.json")),
        added_(read_if_there(directory, "added_tokens.json")),
        pieces_(pieces),
        vocab_size_(config_.contains("vocab_size") && config_["vocab_size"].is_number_integer()
                        ? config_["vocab_size"].get<int64_t>()
                        : static_cast<int64_t>(pieces.size())) {
    for (size_t id = 0; id < pieces.size(); ++id)
      ids_.emplace(pieces[id].text, static_cast<Token>(id));
  }

  SpecialTokens read(const SpecialTokens& own) {
    SpecialTokens special;
    special.added = added_tokens();
    for (const AddedToken& token : special.added) ids_.insert_or_assign(token.text, token.id);
    special.bos = named("bos_token");
    special.eos = named("eos_token");
    special.pad = named("pad_token");
    if (!special.bos) special.bos = own.bos;
    if (!special.eos) special.eos = own.eos;
    special.config_ends = ends(config_);
    special.generation_ends = ends(generation_);
    if (!special.generation_ends.empty() && special.config_ends.size() == 1)
      special.config_ends.clear();
    special.add_bos = flag("add_bos_token", own.add_bos && special.bos != Token{-1});
    special.add_eos = flag("add_eos_token", own.add_eos);
    special.add_prefix_space = flag("add_prefix_space", true);
    special.generation = other_generation_members();
    return special;
  }

 private:
  // "<s>", or {"content": "<s>", ...}; null says that there is none.
  std::optional<Token> named(const char* key) const {
    for (const json* file : {&tokenizer_, &map_}) {
      const auto found = file->find(key);
      if (found == file->end()) continue;
      const json& value =
          found->is_object() && found->contains("content") ? (*found)["content"] : *found;
      if (value.is_null()) return Token{-1};
      if (!value.is_string()) continue;
      const auto id = ids_.find(value.get<std::string>());
      if (id != ids_.end()) return id->second;
    }
    return std::nullopt;
  }

  bool flag(const char* key, bool absent) const {
    const auto found = tokenizer_.find(key);
    return found == tokenizer_.end() || !found->is_boolean() ? absent : found->get<bool>();
  }

  bool is_id(const json& value) const {
    return value.is_number_integer() && 0 <= value.get<int64_t>() &&
           value.get<int64_t>() < vocab_size_;
  }

  std::vector<Token> ends(const json& file) const {
    const auto found = file.find("eos_token_id");
    std::vector<Token> ids;
    if (found == file.end()) return ids;
    for (const json& id : found->is_array() ? *found : json::array({*found}))
      if (is_id(id)) ids.push_back(id.get<Token>());
    return ids;
  }

  std::vector<AddedToken> added_tokens() const {
    std::map<Token, AddedToken> tokens;
    for (const auto& [text, id] : added_.items()) {
      if (!is_id(id) || text.empty()) continue;
      // This older file does not say which are special; those in brackets are meant to be.
      const bool special = text.front() == '<' && text.back() == '>';
      tokens[id.get<Token>()] = {id.get<Token>(), text, special};
    }
    const auto decoder = tokenizer_.find("added_tokens_decoder");
    if (decoder != tokenizer_.end() && decoder->is_object()) {
      for (const auto& [key, token] : decoder->items()) {
        const bool digits =
            !key.empty() && key.size() < 10 &&
            std::all_of(key.begin(), key.end(), [](char c) { return '0' <= c && c <= '9'; });
        if (!digits || !is_id(json(std::stoll(key))) || !token.is_object() ||
            !token.value("content", json()).is_string())
          continue;
        const Token id = static_cast<Token>(std::stoll(key));
        const json flag = token.value("special", json(false));
        tokens[id] = {id, token["content"].get<std::string>(),
                      flag.is_boolean() && flag.get<bool>()};
      }
    }
    std::vector<AddedToken> added;
    for (const auto& [id, token] : tokens) {
      const auto at = static_cast<size_t>(id);
      const bool known = at < pieces_.size() && (pieces_[at].type == PieceType::kControl ||
                                                 pieces_[at].type == PieceType::kUnknown);
      if (!known && !token.text.empty()) added.push_back(token);
    }
    return added;
  }

  std::string other_generation_members() const {
    json others = generation_;
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id", "do_sample",
                            "max_new_tokens", "_from_model_config", "transformers_version"})
      others.erase(key);
    // What we write ourselves says nothing of its own.
    if (others.empty() && generation_.value("do_sample", json(false)) == false) return "";
    others = generation_;
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) others.erase(key);
    return others.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  const json config_, generation_, tokenizer_, map_, added_;
  const std::vector<SentencePieceInfo>& pieces_;
  const int64_t vocab_size_;
  std::map<std::string, Token> ids_;
};

}  // namespace

SpecialTokens read_special_tokens(const std::string& directory,
                                  const std::vector<SentencePieceInfo>& pieces,
                                  const SpecialTokens& own) {
  return Reader(directory, pieces).read(own);
}

}  // namespace minillm
