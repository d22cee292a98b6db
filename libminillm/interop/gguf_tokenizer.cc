#include "libminillm/interop/gguf_tokenizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libminillm/checkpoint/hf_tokenizer_files.h"  // with_jinja
#include "libminillm/core/check.h"
#include "libminillm/data/pre_tokenizer.h"
#include "libminillm/data/tokenizer_json.h"
#include "libminillm/interop/sentencepiece_writer.h"

namespace minillm {
namespace {

constexpr const char* kPrefix = "tokenizer.ggml.";
constexpr size_t kMaxTemplateBytes = 1 << 20;  // as of a checkpoint's

// Texts and types. `scored`: and scores.
std::vector<SentencePieceInfo> read_pieces(const GgufFile& file, bool scored) {
  const std::vector<std::string> texts = file.texts("tokenizer.ggml.tokens");
  const std::vector<double> scores = file.numbers("tokenizer.ggml.scores");
  const std::vector<double> types = file.numbers("tokenizer.ggml.token_type");
  MINILLM_CHECK(
      !texts.empty() && (!scored || scores.size() == texts.size()) && types.size() == texts.size(),
      "{}: tokenizer: expected a {}type for each token, got {} tokens, {} scores and {} "
      "types",
      file.subject(), scored ? "score and a " : "", texts.size(), scores.size(), types.size());
  std::vector<SentencePieceInfo> pieces;
  for (size_t id = 0; id < texts.size(); ++id) {
    MINILLM_CHECK(types[id] == 1 || (2 <= types[id] && types[id] <= 6),
                  "{}: tokenizer: token {} has the type {}: expected 1 to 6", file.subject(), id,
                  types[id]);
    pieces.push_back({texts[id], scored ? static_cast<float>(scores[id]) : 0,
                      static_cast<PieceType>(static_cast<int>(types[id]))});
  }
  // Exports name the model's rows beyond its tokenizer's pieces so.
  while (!pieces.empty() && pieces.back().type == PieceType::kUnused &&
         pieces.back().text == fmt::format("[PAD{}]", pieces.size() - 1))
    pieces.pop_back();
  return pieces;
}

std::optional<Token> read_id(const GgufFile& file, const char* name, size_t vocab_size) {
  const auto id = file.integer(std::string(kPrefix) + name + "_token_id");
  if (!id || *id < 0 || *id >= static_cast<int64_t>(vocab_size)) return std::nullopt;
  return static_cast<Token>(*id);
}

// `adds_bos`, `adds_space`: where the file does not say.
SpecialTokens read_special(const GgufFile& file, size_t vocab_size, bool adds_bos,
                           bool adds_space) {
  SpecialTokens special;
  special.bos = read_id(file, "bos", vocab_size);
  special.eos = read_id(file, "eos", vocab_size);
  special.pad = read_id(file, "padding", vocab_size);
  special.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(adds_bos);
  special.add_eos = file.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  special.add_prefix_space = file.boolean("tokenizer.ggml.add_space_prefix").value_or(adds_space);
  // What ends a turn ends a text, too, also where the chat template is none that is known.
  for (const char* name : {"eos", "eot", "eom"}) {
    const auto id = read_id(file, name, vocab_size);
    std::vector<Token>& ends = special.generation_ends;
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
  }
  if (special.generation_ends.size() < 2) special.generation_ends.clear();
  return special;
}

Tokenizer read_sentencepiece(const GgufFile& file, const std::string& path) {
  const std::vector<SentencePieceInfo> pieces = read_pieces(file, true);
  const SpecialTokens special = read_special(file, pieces.size(), true, true);
  return Tokenizer::from_bytes(sentencepiece_model(pieces, special.add_prefix_space, path), path,
                               special);
}

// "left right": tokens, in which a space is a letter of its own.
std::vector<std::pair<std::string, std::string>> read_merges(const GgufFile& file) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& merge : file.texts("tokenizer.ggml.merges")) {
    const size_t space = merge.find(' ');
    MINILLM_CHECK(space != std::string::npos,
                  "{}: 'tokenizer.ggml.merges': expected two tokens and a space between them, got "
                  "'{}'",
                  file.subject(), merge);
    merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return merges;
}

// Byte-level BPE, as the tokenizer.json that cuts words as the file's `pre` says.
Tokenizer read_byte_level(const GgufFile& file, const std::string& path) {
  ByteBpeSpec spec;
  spec.pre = file.text("tokenizer.ggml.pre").value_or("default");
  MINILLM_CHECK(known_pre_tokenizer(spec.pre) != nullptr,
                "{}: 'tokenizer.ggml.pre': '{}' is no way to cut words that is known here: "
                "expected one such as gpt-2, llama-bpe, qwen2, smollm",
                file.subject(), spec.pre);
  std::vector<SentencePieceInfo> pieces = read_pieces(file, false);
  const SpecialTokens special =
      read_special(file, pieces.size(), spec.pre == "llama-bpe", /*adds_space=*/false);
  // Older converters left them among the normal tokens.
  for (const std::optional<Token>& id : {special.bos, special.eos, special.pad})
    if (id) pieces[static_cast<size_t>(*id)].type = PieceType::kControl;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const SentencePieceInfo& piece = pieces[id];
    const bool normal = piece.type == PieceType::kNormal;
    spec.tokens.push_back(normal ? piece.text : "");
    // What is unknown or unused is a control token, too: no text gives it.
    if (!normal)
      spec.added.push_back(
          {static_cast<Token>(id), piece.text, piece.type != PieceType::kUserDefined});
  }
  spec.merges = read_merges(file);
  if (special.add_bos) spec.bos = special.bos.value_or(-1);
  if (special.add_eos) spec.eos = special.eos.value_or(-1);
  return Tokenizer::from_bytes(write_tokenizer_json(spec), path, special);
}

}  // namespace

std::optional<Tokenizer> read_gguf_tokenizer(const GgufFile& file, const std::string& path) {
  const std::string kind = file.text("tokenizer.ggml.model").value_or("none");
  if (kind == "none") return std::nullopt;
  MINILLM_CHECK(kind == "llama" || kind == "gpt2",
                "{}: 'tokenizer.ggml.model': expected llama (sentencepiece's BPE), gpt2 "
                "(byte-level BPE) or none, got '{}'",
                file.subject(), kind);
  const Tokenizer tokenizer = (kind == "gpt2" ? read_byte_level : read_sentencepiece)(file, path);
  const std::string jinja = file.text("tokenizer.chat_template").value_or("");
  MINILLM_CHECK(jinja.size() <= kMaxTemplateBytes,
                "{}: 'tokenizer.chat_template': expected at most {} bytes, got {}", file.subject(),
                kMaxTemplateBytes, jinja.size());
  return jinja.empty() ? tokenizer : with_jinja(tokenizer, jinja, path);
}

}  // namespace minillm
