#include "libminillm/interop/gguf_export.h"

#include "libminillm/core/check.h"
#include "libminillm/interop/gguf_vocabulary.h"
#include "libminillm/interop/gguf_writer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/batch_check.h"
#include "libminillm/nn/model_family.h"
#include "libminillm/nn/parameters.h"
#include "libminillm/ops/rope.h"

namespace minillm {
namespace {

struct GgufTensor {
  std::string source;  // our name, Hugging Face's
  std::string name;    // ggml's
  std::vector<Index> shape;
  WeightEncoding encoding;
  bool interleaved;  // q or k
};

}  // namespace

std::string ggml_name(const std::string& name) {
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  static constexpr std::pair<std::string_view, std::string_view> kOfBlocks[] = {
      {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
      {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
      {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
      {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  constexpr std::string_view kPrefix = "model.layers.";
  const size_t dot = name.find('.', kPrefix.size());
  const std::string block = name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string_view rest = std::string_view(name).substr(dot + 1);
  for (const auto& [ours, theirs] : kOfBlocks)
    for (const char* end : {".weight", ".bias"})
      if (rest == std::string(ours) + end) return fmt::format("blk.{}.{}{}", block, theirs, end);
  throw Error(fmt::format("tensor '{}': has no name in GGUF", name));
}

namespace {

std::vector<GgufTensor> list_tensors(const ModelConfig& config, WeightEncoding encoding) {
  std::vector<GgufTensor> tensors;
  for_each_tensor(config, [&](const std::string& name, const std::vector<Index>& shape,
                              TensorKind kind, const auto&) {
    if (kind == TensorKind::kScore) return;  // a critic's, beside a language model
    WeightEncoding own = encoding;
    if (shape.size() == 1) {
      own = WeightEncoding::kF32;
    } else if (encoding == WeightEncoding::kQ8_0 && shape.back() % kQ8BlockSize != 0) {
      own = WeightEncoding::kF16;
    }
    const bool interleaved =
        family_of(config).interleaved &&
        (name.find(".q_proj.") != std::string::npos || name.find(".k_proj.") != std::string::npos);
    tensors.push_back({name, ggml_name(name), shape, own, interleaved});
  });
  return tensors;
}

void add_model(const Checkpoint& checkpoint, WeightEncoding encoding, GgufHeader& header) {
  const ModelConfig& config = checkpoint.model_config();
  const ModelFamily& family = family_of(config);
  const auto key = [&](const char* rest) { return fmt::format("{}.{}", family.name, rest); };
  header.add_string("general.architecture", family.name);
  header.add_string("general.type", "model");
  if (checkpoint.state() && !checkpoint.state()->lineage.empty())
    header.add_string("general.name", "libminillm " + checkpoint.state()->lineage.back().stage);
  header.add_u32("general.file_type", gguf_encoding(encoding).file_type);
  if (encoding == WeightEncoding::kQ8_0) header.add_u32("general.quantization_version", 2);
  header.add_u32(key("vocab_size"), config.vocab_size);
  header.add_u32(key("context_length"), config.max_position_embeddings);
  header.add_u32(key("embedding_length"), config.hidden_size);
  header.add_u32(key("block_count"), config.num_hidden_layers);
  header.add_u32(key("feed_forward_length"), config.intermediate_size);
  header.add_u32(key("attention.head_count"), config.num_attention_heads);
  header.add_u32(key("attention.head_count_kv"), config.num_key_value_heads);
  header.add_u32(key("attention.key_length"), config.head_dim);
  header.add_u32(key("attention.value_length"), config.head_dim);
  header.add_f32(key("attention.layer_norm_rms_epsilon"), config.rms_norm_eps);
  header.add_u32(key("rope.dimension_count"), config.head_dim);
  header.add_f32(key("rope.freq_base"), config.rope_theta);
  if (config.rope_scaling.type == "linear") {
    header.add_string(key("rope.scaling.type"), "linear");
    header.add_f32(key("rope.scaling.factor"), config.rope_scaling.factor);
  }
  if (family.has_multipliers) {
    header.add_f32(key("embedding_scale"), config.extras.embedding_multiplier);
    header.add_f32(key("residual_scale"), config.extras.residual_multiplier);
    if (config.extras.attention_multiplier != 0)
      header.add_f32(key("attention.scale"), config.extras.attention_multiplier);
    header.add_f32(key("logit_scale"), config.extras.logits_scaling);
  }
}

constexpr int64_t kNoRopeInterval = 4;

// Llama 3's scaling is a tensor in GGUF: the divisors of the frequencies.
constexpr const char* kFrequencyDivisors = "rope_freqs.weight";
std::vector<Real> frequency_divisors(const ModelConfig& config) {
  std::vector<Real> divisors;
  if (config.rope_scaling.type != "llama3") return divisors;
  const auto frequency = [&](Index pair, const RopeScaling& scaling) {
    return rope_frequency(pair, config.head_dim, config.rope_theta, scaling);
  };
  for (Index pair = 0; pair < config.head_dim / 2; ++pair)
    divisors.push_back(
        static_cast<Real>(frequency(pair, {}) / frequency(pair, config.rope_scaling)));
  return divisors;
}

}  // namespace

ExportReport export_gguf(const Checkpoint& checkpoint, const std::string& path,
                         WeightEncoding encoding, const ExportEvents& events) {
  const ModelConfig& config = checkpoint.model_config();
  check_lm_head(config);
  MINILLM_CHECK(
      config.extras.no_rope_interval == 0 || config.extras.no_rope_interval == kNoRopeInterval,
      "checkpoint '{}': every {}th layer has no RoPE: expected every {}th, which is what "
      "readers of GGUF take for granted",
      checkpoint.path(), config.extras.no_rope_interval, kNoRopeInterval);
  const TensorFiles files = checkpoint.open_weights();
  const std::vector<GgufTensor> tensors = list_tensors(config, encoding);
  ExportReport report;
  GgufHeader header;
  add_model(checkpoint, encoding, header);
  add_vocabulary(checkpoint, header, report.warnings);
  for (const GgufTensor& tensor : tensors)
    header.add_tensor(tensor.name, tensor.shape, tensor.encoding);
  const std::vector<Real> divisors = frequency_divisors(config);
  if (!divisors.empty())
    header.add_tensor(kFrequencyDivisors, {std::ssize(divisors)}, WeightEncoding::kF32);

  const std::string before = header.bytes();
  ExportFile file(path, before.size() + header.data_bytes(), events);
  file.write(before);
  for (const GgufTensor& tensor : tensors) {
    const Index cols = tensor.shape.back();
    if (tensor.interleaved) {
      file.write_tensor(files, tensor.source, cols, tensor.encoding,
                        [&](Index row) { return half_split_row(row, config.head_dim); });
    } else {
      file.write_tensor(files, tensor.source, cols, tensor.encoding);
    }
    file.write(GgufHeader::padding(file.written()));  // every tensor begins at a multiple of it
  }
  if (!divisors.empty()) {
    std::string bytes;
    append_encoded(WeightEncoding::kF32, divisors, kFrequencyDivisors, bytes);
    file.write(bytes);
    file.write(GgufHeader::padding(file.written()));
  }
  file.commit();
  report.bytes = file.written();
  report.tensors = static_cast<Index>(tensors.size()) + (divisors.empty() ? 0 : 1);
  return report;
}

}  // namespace minillm
