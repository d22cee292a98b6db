#include "libminillm/interop/gguf_tokenizer.h"

#include <algorithm>
#include <vector>

#include "libminillm/checkpoint/hf_tokenizer_files.h"  // with_jinja
#include "libminillm/core/check.h"
#include "libminillm/interop/sentencepiece_writer.h"

namespace minillm {
namespace {

constexpr const char* kPrefix = "tokenizer.ggml.";
constexpr size_t kMaxTemplateBytes = 1 << 20;  // as of a checkpoint's

std::vector<SentencePieceInfo> read_pieces(const GgufFile& file) {
  const std::vector<std::string> texts = file.texts("tokenizer.ggml.tokens");
  const std::vector<double> scores = file.numbers("tokenizer.ggml.scores");
  const std::vector<double> types = file.numbers("tokenizer.ggml.token_type");
  MINILLM_CHECK(!texts.empty() && scores.size() == texts.size() && types.size() == texts.size(),
                "{}: tokenizer: expected a score and a type for each token, got {} tokens, {} "
                "scores and {} types",
                file.subject(), texts.size(), scores.size(), types.size());
  std::vector<SentencePieceInfo> pieces;
  for (size_t id = 0; id < texts.size(); ++id) {
    MINILLM_CHECK(types[id] == 1 || (2 <= types[id] && types[id] <= 6),
                  "{}: tokenizer: token {} has the type {}: expected 1 to 6", file.subject(), id,
                  types[id]);
    pieces.push_back({texts[id], static_cast<float>(scores[id]),
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

SpecialTokens read_special(const GgufFile& file, size_t vocab_size) {
  SpecialTokens special;
  special.bos = read_id(file, "bos", vocab_size);
  special.eos = read_id(file, "eos", vocab_size);
  special.pad = read_id(file, "padding", vocab_size);
  special.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(true);
  special.add_eos = file.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  special.add_prefix_space = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  // What ends a turn ends a text, too, also where the chat template is none that is known.
  for (const char* name : {"eos", "eot", "eom"}) {
    const auto id = read_id(file, name, vocab_size);
    std::vector<Token>& ends = special.generation_ends;
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
  }
  if (special.generation_ends.size() < 2) special.generation_ends.clear();
  return special;
}

}  // namespace

std::optional<Tokenizer> read_gguf_tokenizer(const GgufFile& file, const std::string& path) {
  const std::string kind = file.text("tokenizer.ggml.model").value_or("none");
  if (kind == "none") return std::nullopt;
  MINILLM_CHECK(
      kind == "llama",
      "{}: 'tokenizer.ggml.model': expected llama (sentencepiece's BPE) or none, got '{}'",
      file.subject(), kind);
  const std::vector<SentencePieceInfo> pieces = read_pieces(file);
  const SpecialTokens special = read_special(file, pieces.size());
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      sentencepiece_model(pieces, special.add_prefix_space, path), path, special);
  const std::string jinja = file.text("tokenizer.chat_template").value_or("");
  MINILLM_CHECK(jinja.size() <= kMaxTemplateBytes,
                "{}: 'tokenizer.chat_template': expected at most {} bytes, got {}", file.subject(),
                kMaxTemplateBytes, jinja.size());
  return jinja.empty() ? tokenizer : with_jinja(tokenizer, jinja, path);
}

}  // namespace minillm
