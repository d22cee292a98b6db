// Writes tokenizer.json (data/tokenizer_json.h).

#include <map>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/data/tokenizer_json.h"

namespace minillm {
namespace {

using nlohmann::ordered_json;

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

ordered_json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", false},
          {"use_regex", use_regex}};
}

ordered_json pre_tokenizer(const std::vector<WordCut>& cuts) {
  ordered_json steps = ordered_json::array();
  bool by_byte_level = false;
  for (const WordCut& cut : cuts) {
    by_byte_level = cut == WordCut{kGpt2Expression} && &cut == &cuts.back();
    if (cut == digit_cut(true))
      steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
    else if (!by_byte_level)
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", cut.expression}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
  }
  if (steps.empty()) return byte_level(by_byte_level);
  steps.push_back(byte_level(by_byte_level));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// Puts the tokens around a text.
ordered_json post_processor(const ByteBpeSpec& spec) {
  if (spec.bos < 0 && spec.eos < 0) return byte_level(false);
  std::map<Token, std::string> texts;
  for (const AddedToken& token : spec.added) texts[token.id] = token.text;
  ordered_json single = ordered_json::array(), pair = ordered_json::array();
  ordered_json tokens = ordered_json::object();
  const auto put = [&](ordered_json& into, Token id, int type) {
    if (id < 0) return;
    const std::string& text = texts.at(id);
    into.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
    tokens[text] = {
        {"id", text}, {"ids", ordered_json::array({id})}, {"tokens", ordered_json::array({text})}};
  };
  const auto put_text = [&](ordered_json& into, const char* name, int type) {
    put(into, spec.bos, type);
    into.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    put(into, spec.eos, type);
  };
  put_text(single, "A", 0);
  put_text(pair, "A", 0);
  put_text(pair, "B", 1);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", tokens}};
}

// An ordered_json object of many members would look through all of them for each new one.
std::string vocabulary(const ByteBpeSpec& spec) {
  std::map<size_t, std::string> texts;
  for (size_t id = 0; id < spec.tokens.size(); ++id)
    if (!spec.tokens[id].empty()) texts[id] = spec.tokens[id];
  // Added tokens are of the vocabulary, too: readers give those that are not ids of their own.
  for (const AddedToken& token : spec.added) texts[static_cast<size_t>(token.id)] = token.text;
  std::string text = "{";
  for (const auto& [id, token] : texts)
    text += fmt::format("{}\n      {}: {}", text.size() > 1 ? "," : "", quoted(token), id);
  return text + "\n    }";
}

std::string merges(const ByteBpeSpec& spec) {
  std::string text = "[";
  for (const auto& [left, right] : spec.merges)
    text += fmt::format("{}\n      {}", text.size() > 1 ? "," : "", quoted(left + " " + right));
  return text + "\n    ]";
}

}  // namespace

std::string write_tokenizer_json(const ByteBpeSpec& spec) {
  const KnownPreTokenizer* const pre = known_pre_tokenizer(spec.pre);
  MINILLM_CHECK(pre != nullptr, "tokenizer: the way to cut words '{}' is not known", spec.pre);
  ordered_json added = ordered_json::array();
  for (const AddedToken& token : spec.added)
    added.push_back({{"id", token.id},
                     {"content", token.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token.special}});
  std::string text = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null";
  const auto add = [&](const char* key, const ordered_json& value) {
    text += fmt::format(",\n  \"{}\": {}", key, value.dump());
  };
  add("added_tokens", added);
  add("normalizer", pre->nfc ? ordered_json{{"type", "NFC"}} : ordered_json());
  add("pre_tokenizer", pre_tokenizer(pre->cuts));
  add("post_processor", post_processor(spec));
  add("decoder", byte_level(false));
  text += fmt::format(
      ",\n  \"model\": {{\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": "
      "null,\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    "
      "\"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": {},\n    "
      "\"vocab\": {},\n    \"merges\": {}\n  }}\n}}\n",
      pre->ignore_merges, vocabulary(spec), merges(spec));
  return text;
}

}  // namespace minillm
