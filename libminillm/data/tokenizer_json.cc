// Reads tokenizer.json (data/tokenizer_json.h).

#include "libminillm/data/tokenizer_json.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "libminillm/core/check.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tokenizer_json_parts.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr int64_t kMaxTokens = 1 << 20;
constexpr size_t kMaxTokenBytes = 4096;
constexpr int kMaxDepth = 16;

class Reader {
 public:
  Reader(const json& file, const std::string& name)
      : file_(file, fmt::format("tokenizer '{}'", name)), model_(file_.member("model")) {}

  TokenizerJson read() {
    check_model();
    read_text_parts(file_, made_);
    MINILLM_CHECK(made_.byte_level || model_.boolean_or("byte_fallback", false),
                  "{}: its model has neither bytes nor byte_fallback, and cannot spell every text",
                  subject());
    made_.ignore_merges = model_.boolean_or("ignore_merges", false);
    read_vocabulary();
    read_added();
    index_tokens();
    read_merges();
    read_post_processor(file_, made_);
    return std::move(made_);
  }

 private:
  const std::string& subject() const { return file_.subject(); }

  void check_model() const {
    const std::string type = model_.string_or("type", "BPE");
    MINILLM_CHECK(type == "BPE", "{}: its model '{}' is not supported: expected BPE", subject(),
                  type);
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      MINILLM_CHECK(model_.string_or(key, "").empty(),
                    "{}: its model's {} is not supported: expected none, got '{}'", subject(), key,
                    model_.string(key));
    MINILLM_CHECK(model_.number_or("dropout", 0) == 0,
                  "{}: its model's dropout is not supported: expected none", subject());
  }

  // Where the text of this id is kept; throws if it has another one already.
  void set_token(const std::string& text, const json& id) {
    MINILLM_CHECK(id.is_number_unsigned() && id.get<uint64_t>() < uint64_t{kMaxTokens},
                  "{}: token '{}' has a bad id: expected 0 to {}, got {}", subject(), text,
                  kMaxTokens - 1, id.dump());
    MINILLM_CHECK(!text.empty() && text.size() <= kMaxTokenBytes,
                  "{}: token {} is of {} bytes: expected 1 to {}", subject(), id.dump(),
                  text.size(), kMaxTokenBytes);
    const auto at = id.get<size_t>();
    if (at >= made_.tokens.size()) made_.tokens.resize(at + 1);
    std::string& place = made_.tokens[at];
    MINILLM_CHECK(place.empty() || place == text, "{}: tokens '{}' and '{}' have the same id, {}",
                  subject(), place, text, at);
    place = text;
  }

  void read_vocabulary() {
    const json& vocabulary = model_.member("vocab").object();
    for (const auto& [text, id] : vocabulary.items()) set_token(text, id);
    MINILLM_CHECK(!made_.tokens.empty(), "{}: its vocabulary is empty", subject());
  }

  void read_added() {
    if (file_.find("added_tokens") == nullptr) return;
    const json& vocabulary = model_.member("vocab").object();
    for (const json& value : file_.array("added_tokens")) {
      const JsonObject token(value, subject() + ": added token");
      JsonAddedToken added;
      added.token.text = token.string("content");
      token.integer("id");
      set_token(added.token.text, *token.find("id"));
      added.token.id = static_cast<Token>(token.integer("id"));
      added.token.special = token.boolean_or("special", false);
      added.normalized = token.boolean_or("normalized", !added.token.special);
      added.strips_left = token.boolean_or("lstrip", false);
      added.strips_right = token.boolean_or("rstrip", false);
      const auto known = vocabulary.find(added.token.text);
      MINILLM_CHECK(known == vocabulary.end() || *known == added.token.id,
                    "{}: added token '{}' has id {}, and {} in the vocabulary", subject(),
                    added.token.text, added.token.id, known->dump());
      // No text leads to special tokens, so it does not matter how they would be found in one.
      MINILLM_CHECK(added.token.special || !token.boolean_or("single_word", false),
                    "{}: added token '{}' is single_word, which is not supported", subject(),
                    added.token.text);
      MINILLM_CHECK(added.token.special || !added.normalized || made_.byte_level,
                    "{}: added token '{}' is normalized, which is supported with ByteLevel only",
                    subject(), added.token.text);
      made_.added.push_back(std::move(added));
    }
    std::sort(made_.added.begin(), made_.added.end(),
              [](const auto& a, const auto& b) { return a.token.id < b.token.id; });
    for (size_t i = 1; i < made_.added.size(); ++i)
      MINILLM_CHECK(made_.added[i - 1].token.id != made_.added[i].token.id,
                    "{}: added token '{}' comes twice", subject(), made_.added[i].token.text);
  }

  void index_tokens() {
    ids_.reserve(made_.tokens.size());
    for (size_t id = 0; id < made_.tokens.size(); ++id) {
      const std::string& text = made_.tokens[id];
      MINILLM_CHECK(text.empty() || ids_.emplace(text, static_cast<Token>(id)).second,
                    "{}: token '{}' has two ids, {} and {}", subject(), text, ids_.at(text), id);
    }
  }

  // "a b" in older files, ["a", "b"] in newer ones.
  std::pair<std::string_view, std::string_view> merge_parts(const json& merge, size_t rank) const {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
    if (merge.is_string()) {
      const std::string_view text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space != text.npos && text.find(' ', space + 1) == text.npos)
        return {text.substr(0, space), text.substr(space + 1)};
    }
    throw Error(fmt::format("{}: merge {} is not of two parts", subject(), rank));
  }

  Token id_of(std::string_view text, size_t rank, const char* what) const {
    const auto found = ids_.find(text);
    MINILLM_CHECK(found != ids_.end(), "{}: the {} of merge {}, '{}', is not in its vocabulary",
                  subject(), what, rank, text);
    return found->second;
  }

  void read_merges() {
    const json& merges = model_.array("merges");
    made_.merges.reserve(merges.size());
    std::string result;
    for (const json& merge : merges) {
      const size_t rank = made_.merges.size();
      const auto [left, right] = merge_parts(merge, rank);
      result.assign(left);
      result += right;
      made_.merges.push_back({id_of(left, rank, "left part"), id_of(right, rank, "right part"),
                              id_of(result, rank, "result")});
    }
  }

  const JsonObject file_, model_;
  TokenizerJson made_;
  std::unordered_map<std::string_view, Token> ids_;
};

// <0x0A>, where characters fall back to bytes.
bool is_byte_name(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return false;
  return std::all_of(text.begin() + 3, text.begin() + 5,
                     [](char c) { return ('0' <= c && c <= '9') || ('A' <= c && c <= 'F'); });
}

}  // namespace

bool is_tokenizer_json(std::string_view bytes) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t brace = bytes.find_first_not_of(kSpaces);
  if (brace == bytes.npos || bytes[brace] != '{') return false;
  const size_t quote = bytes.find_first_not_of(kSpaces, brace + 1);
  return quote != bytes.npos && (bytes[quote] == '"' || bytes[quote] == '}');
}

std::vector<SentencePieceInfo> pieces_of(const TokenizerJson& file) {
  std::vector<SentencePieceInfo> pieces;
  for (size_t id = 0; id < file.tokens.size(); ++id) {
    const std::string& text = file.tokens[id];
    if (text.empty())
      pieces.push_back({fmt::format("[PAD{}]", id), 0, PieceType::kUnused});
    else if (!file.byte_level && is_byte_name(text))
      pieces.push_back({text, 0, PieceType::kByte});
    else
      pieces.push_back({text, 0, PieceType::kNormal});
  }
  for (const JsonAddedToken& added : file.added)
    pieces[static_cast<size_t>(added.token.id)].type =
        added.token.special ? PieceType::kControl : PieceType::kUserDefined;
  return pieces;
}

TokenizerJson parse_tokenizer_json(std::string_view bytes, const std::string& name) {
  MINILLM_CHECK(bytes.size() <= kMaxModelBytes,
                "tokenizer '{}': too large: expected at most {} bytes, got {}", name,
                kMaxModelBytes, bytes.size());
  const json file = parse_json(bytes, fmt::format("tokenizer '{}'", name), kMaxDepth);
  return Reader(file, name).read();
}

}  // namespace minillm
