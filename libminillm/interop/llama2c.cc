#include "libminillm/interop/llama2c.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/batch_check.h"
#include "libminillm/nn/model_family.h"
#include "libminillm/nn/parameters.h"

namespace minillm {
namespace {

constexpr Token kFirstByte = 3;  // where run.c expects <0x00>

void append_u32(uint32_t value, std::string& bytes) {
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift);
}

void check_model(const ModelConfig& c, const std::string& subject) {
  const auto check = [&](bool holds, const char* key, auto expected, auto got) {
    MINILLM_CHECK(holds, "{}: '{}': llama2.c's run.c expects {}, got {}", subject, key, expected,
                  got);
  };
  const std::string family = family_of(c).name;
  check(family == "llama", "model_type", "llama", family);
  check(c.rope_theta == kLlama2cTheta, "rope_theta", kLlama2cTheta, c.rope_theta);
  check(c.rope_scaling.type == "none", "rope_scaling", "none", c.rope_scaling.type);
  check(c.rms_norm_eps == kLlama2cEpsilon, "rms_norm_eps", kLlama2cEpsilon, c.rms_norm_eps);
  // Products that run.c computes as int: beyond, it silently reads elsewhere.
  const auto check_product = [&](const char* key, int64_t value, int64_t other) {
    const int64_t most = std::numeric_limits<int32_t>::max() / other;
    check(value <= most, key, fmt::format("at most {}", most), value);
  };
  check_product("vocab_size", c.vocab_size, c.hidden_size);
  check_product("max_position_embeddings", c.max_position_embeddings,
                c.num_hidden_layers * c.num_key_value_heads * c.head_dim);  // the cache
  check_product("max_position_embeddings", c.max_position_embeddings, c.num_attention_heads);
}

std::string header_bytes(const ModelConfig& c) {
  const auto number = [](int64_t value) { return static_cast<int32_t>(value); };
  Llama2cHeader h;
  h.dim = number(c.hidden_size), h.hidden_dim = number(c.intermediate_size);
  h.n_layers = number(c.num_hidden_layers);
  h.n_heads = number(c.num_attention_heads), h.n_kv_heads = number(c.num_key_value_heads);
  h.vocab_size = number(c.tie_word_embeddings ? c.vocab_size : -c.vocab_size);
  h.seq_len = number(c.max_position_embeddings);
  std::string bytes;
  for (const int32_t value :
       {h.dim, h.hidden_dim, h.n_layers, h.n_heads, h.n_kv_heads, h.vocab_size, h.seq_len})
    append_u32(static_cast<uint32_t>(value), bytes);
  return bytes;
}

// One of the two tables. Frequencies and angles are rounded to float, as in llama2.c's export; its
// cosines are another library's, so some differ from these in the last bit. Nobody reads them.
void write_table(const ModelConfig& c, double (*function)(double), ExportFile& file) {
  for (Index position = 0; position < c.max_position_embeddings; ++position) {
    std::string row;
    for (Index i = 0; i < c.head_dim; i += 2) {
      const float exponent = static_cast<float>(i) / static_cast<float>(c.head_dim);
      const float frequency = 1 / std::pow(static_cast<float>(kLlama2cTheta), exponent);
      const float angle = static_cast<float>(position) * frequency;
      append_u32(std::bit_cast<uint32_t>(static_cast<float>(function(double{angle}))), row);
    }
    file.write(row);
  }
}

// A vocabulary in which run.c finds what it looks for.
void check_vocabulary(const Tokenizer& tokenizer, const SentencePieceModelInfo& model,
                      const std::string& subject) {
  const auto check = [&](bool holds, const std::string& expected, const std::string& got) {
    MINILLM_CHECK(
        holds,
        "{}: its vocabulary does not fit llama2.c's run.c: expected {}, got {} (export to "
        "GGUF, or leave out llama2c_tokenizer)",
        subject, expected, got);
  };
  check(model.is_bpe && model.byte_fallback, "BPE with byte fallback",
        model.is_bpe ? "no byte fallback" : "a unigram model");
  check(tokenizer.bos() == 1, "id 1 for <s>", std::to_string(tokenizer.bos()));
  check(tokenizer.eos() == 2, "id 2 for </s>", std::to_string(tokenizer.eos()));
  for (Token byte = 0; byte < 256; ++byte) {
    const auto id = static_cast<size_t>(byte + kFirstByte);
    const std::string name = fmt::format("<0x{:02X}>", byte);
    check(id < model.pieces.size() && model.pieces[id].text == name,
          fmt::format("id {} for {}", id, name),
          id < model.pieces.size() ? "'" + model.pieces[id].text + "'" : "nothing");
  }
  const bool has_space = std::any_of(model.pieces.begin(), model.pieces.end(),
                                     [](const auto& p) { return p.text == "\xe2\x96\x81"; });
  check(has_space, "a piece for one space", "none");
  check(model.add_dummy_prefix, "a space in front of every text (add_dummy_prefix)", "none");
}

}  // namespace

std::vector<Llama2cPart> llama2c_layout(const ModelConfig& c) {
  // The order of the file: kind by kind, each through all layers; "" are the two tables.
  static constexpr std::string_view kOrder[] = {"model.embed_tokens",
                                                "input_layernorm",
                                                "self_attn.q_proj",
                                                "self_attn.k_proj",
                                                "self_attn.v_proj",
                                                "self_attn.o_proj",
                                                "post_attention_layernorm",
                                                "mlp.gate_proj",
                                                "mlp.down_proj",
                                                "mlp.up_proj",
                                                "model.norm",
                                                "",
                                                "lm_head"};
  const TensorTable table = make_tensor_table(c);
  std::vector<Llama2cPart> parts;
  for (const std::string_view kind : kOrder) {
    if (kind.empty()) parts.push_back({"", 2 * c.max_position_embeddings, c.head_dim / 2});
    for (const TensorInfo& t : table.tensors()) {
      if (kind.empty() || !t.name.ends_with(fmt::format("{}.weight", kind))) continue;
      const bool interleaved = kind == "self_attn.q_proj" || kind == "self_attn.k_proj";
      parts.push_back(
          {t.name, t.shape.size() == 1 ? 1 : t.shape.front(), t.shape.back(), interleaved});
    }
  }
  for (const TensorInfo& t : table.tensors())
    MINILLM_CHECK(std::ranges::count(parts, t.name, &Llama2cPart::name) == 1,
                  "tensor '{}': has no place in llama2.c's file", t.name);
  return parts;
}

ExportReport export_llama2c(const Checkpoint& checkpoint, const std::string& path,
                            const ExportEvents& events) {
  const ModelConfig& config = checkpoint.model_config();
  check_lm_head(config);
  check_model(config, fmt::format("checkpoint '{}'", checkpoint.path()));
  const TensorFiles files = checkpoint.open_weights();
  const std::vector<Llama2cPart> parts = llama2c_layout(config);
  ExportReport report;
  uint64_t bytes = Llama2cHeader::kBytes;
  for (const Llama2cPart& part : parts) {
    bytes += encoded_bytes(WeightEncoding::kF32, part.rows * part.cols);
    report.tensors += !part.name.empty();
  }

  ExportFile file(path, bytes, events);
  file.write(header_bytes(config));
  for (const Llama2cPart& part : parts) {
    if (part.name.empty()) {
      write_table(config, std::cos, file);
      write_table(config, std::sin, file);
    } else if (part.interleaved) {
      file.write_tensor(files, part.name, part.cols, WeightEncoding::kF32,
                        [&](Index row) { return half_split_row(row, config.head_dim); });
    } else {
      file.write_tensor(files, part.name, part.cols, WeightEncoding::kF32);
    }
  }
  file.commit();
  report.bytes = file.written();
  return report;
}

std::string llama2c_tokenizer(const Tokenizer& tokenizer, const std::string& subject) {
  MINILLM_CHECK(tokenizer.file_name() == kSentencepieceName,
                "{}: its tokenizer cannot be exported to llama2.c: expected a sentencepiece model, "
                "got {}",
                subject, tokenizer.file_name());
  const SentencePieceModelInfo model = check_sentencepiece_model(tokenizer.bytes(), subject);
  check_vocabulary(tokenizer, model, subject);
  std::string pieces;
  size_t longest = 0;
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    const SentencePieceInfo& piece = model.pieces[static_cast<size_t>(id)];
    // Bytes stay "<0x0A>", which run.c translates when it prints; <s> and </s> get line ends, so
    // that no text is taken for them.
    std::string text = piece.text;
    if (piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined)
      text = tokenizer.token_bytes(id);
    if (id == tokenizer.bos() || id == tokenizer.eos()) text = "\n" + text + "\n";
    longest = std::max(longest, text.size());
    append_u32(std::bit_cast<uint32_t>(piece.score), pieces);
    append_u32(static_cast<uint32_t>(text.size()), pieces);
    pieces += text;
  }
  std::string bytes;
  append_u32(static_cast<uint32_t>(longest), bytes);
  return bytes + pieces;
}

}  // namespace minillm
