#include "libminillm/interop/gguf_vocabulary.h"

#include <set>

#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/check.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/data/tokenizer_json.h"

namespace minillm {
namespace {

void check_portable(const SentencePieceModelInfo& model, const std::string& subject,
                    std::vector<std::string>& warnings) {
  MINILLM_CHECK(model.is_bpe && model.byte_fallback,
                "{}: its tokenizer cannot be exported to GGUF: expected BPE with byte fallback, "
                "got {} {} it",
                subject, model.is_bpe ? "BPE" : "unigram",
                model.byte_fallback ? "with" : "without");
  if (model.has_normalization_table || model.remove_extra_whitespaces || !model.escape_whitespaces)
    warnings.push_back(
        fmt::format("{}: its tokenizer normalises texts, which readers of GGUF do not: the ids of "
                    "some texts will differ",
                    subject));
}

// Of a sentencepiece model: what is written before its pieces. Returns whether readers put a space
// before a text.
bool add_sentencepiece(const Tokenizer& tokenizer, const std::string& subject, GgufHeader& header,
                       std::vector<std::string>& warnings) {
  const SentencePieceModelInfo model = check_sentencepiece_model(tokenizer.bytes(), subject);
  check_portable(model, subject, warnings);
  header.add_string("tokenizer.ggml.model", "llama");
  header.add_string("tokenizer.ggml.pre", "default");
  return model.add_dummy_prefix && tokenizer.special().add_prefix_space;
}

// Of byte-level BPE, likewise. How words are cut has to have a name in GGUF.
bool add_byte_level(const Tokenizer& tokenizer, const std::string& subject, GgufHeader& header,
                    std::vector<std::string>& warnings) {
  const TokenizerJson file = parse_tokenizer_json(tokenizer.bytes(), subject);
  MINILLM_CHECK(file.byte_level,
                "{}: its tokenizer cannot be exported to GGUF: expected byte-level BPE, got a "
                "tokenizer.json over characters (its tokenizer.model can be)",
                subject);
  const KnownPreTokenizer* const pre = known_pre_tokenizer(file.cuts, file.ignore_merges);
  MINILLM_CHECK(pre != nullptr && !file.adds_space,
                "{}: its tokenizer cannot be exported to GGUF: its pre_tokenizer is none that has "
                "a name there (such as gpt-2, llama-bpe, qwen2, smollm)",
                subject);
  if (file.nfc)
    warnings.push_back(
        fmt::format("{}: its tokenizer brings texts into normalization form C, which readers of "
                    "GGUF do not: the ids of texts in other forms will differ",
                    subject));
  header.add_string("tokenizer.ggml.model", "gpt2");
  header.add_string("tokenizer.ggml.pre", pre->name);
  std::vector<std::string> merges;
  for (const BpeMerge& merge : file.merges)
    merges.push_back(file.tokens[static_cast<size_t>(merge.left)] + " " +
                     file.tokens[static_cast<size_t>(merge.right)]);
  header.add_strings("tokenizer.ggml.merges", merges);
  return false;
}

// Every id of the model needs a text of its own: rows beyond the tokenizer's pieces, with which
// some models are padded, are called [PAD<id>].
void add_pieces(std::vector<SentencePieceInfo> pieces, Index vocab_size, bool scored,
                const std::string& subject, GgufHeader& header) {
  for (auto id = static_cast<Index>(pieces.size()); id < vocab_size; ++id)
    pieces.push_back({fmt::format("[PAD{}]", id), -10000, PieceType::kUnused});
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<int32_t> types;
  std::set<std::string_view> seen;
  for (const SentencePieceInfo& piece : pieces) {
    MINILLM_CHECK(seen.insert(piece.text).second, "{}: two pieces have the text '{}'", subject,
                  piece.text);
    texts.push_back(piece.text);
    scores.push_back(piece.score);
    types.push_back(static_cast<int32_t>(piece.type));  // the two formats number them alike
  }
  header.add_strings("tokenizer.ggml.tokens", texts);
  if (scored) header.add_f32s("tokenizer.ggml.scores", scores);
  header.add_i32s("tokenizer.ggml.token_type", types);
}

}  // namespace

void add_vocabulary(const Checkpoint& checkpoint, GgufHeader& header,
                    std::vector<std::string>& warnings) {
  const std::string subject = fmt::format("checkpoint '{}'", checkpoint.path());
  if (!checkpoint.has_tokenizer()) {
    header.add_string("tokenizer.ggml.model", "none");
    warnings.push_back(
        fmt::format("{}: has no tokenizer: the file will hold none, and programs that read "
                    "it can be given ids only",
                    subject));
    return;
  }
  const Tokenizer tokenizer = checkpoint.tokenizer();
  const bool json = tokenizer.file_name() == kTokenizerJsonName;
  const bool space_prefix =
      (json ? add_byte_level : add_sentencepiece)(tokenizer, subject, header, warnings);
  add_pieces(tokenizer.pieces(), checkpoint.model_config().vocab_size, !json, subject, header);
  const auto add_id = [&](const char* key, Token id) {
    if (id >= 0) header.add_u32(key, id);
  };
  const std::vector<Token> ends = tokenizer.end_tokens();
  const Token eos = tokenizer.eos() >= 0 || ends.empty() ? tokenizer.eos() : ends.front();
  add_id("tokenizer.ggml.bos_token_id", tokenizer.bos());
  add_id("tokenizer.ggml.eos_token_id", eos);
  add_id("tokenizer.ggml.unknown_token_id", tokenizer.unk());
  add_id("tokenizer.ggml.padding_token_id", tokenizer.pad());
  add_id("tokenizer.ggml.eot_token_id", tokenizer.answer_end());
  header.add_bool("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  header.add_bool("tokenizer.ggml.add_eos_token", tokenizer.special().add_eos);
  header.add_bool("tokenizer.ggml.add_space_prefix", space_prefix);
  if (const std::string jinja = read_chat_template(checkpoint.path()); !jinja.empty())
    header.add_string("tokenizer.chat_template", jinja);
}

}  // namespace minillm
