#include "libminillm/interop/gguf_export.h"

#include "libminillm/core/check.h"
#include "libminillm/interop/gguf_architecture.h"
#include "libminillm/interop/gguf_rope.h"
#include "libminillm/interop/gguf_vocabulary.h"
#include "libminillm/interop/gguf_writer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/batch_check.h"
#include "libminillm/nn/model_family.h"
#include "libminillm/nn/parameters.h"

namespace minillm {
namespace {

struct GgufTensor {
  std::string source;  // our name, Hugging Face's
  std::string name;    // ggml's
  std::vector<Index> shape;
  WeightEncoding encoding;
  bool interleaved;  // q or k
};

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
    const bool interleaved = family_of(config).interleaved && is_rotated(name);
    tensors.push_back({name, ggml_name(name), shape, own, interleaved});
  });
  return tensors;
}

void add_model(const Checkpoint& checkpoint, WeightEncoding encoding, GgufHeader& header) {
  const ModelConfig& config = checkpoint.model_config();
  const ModelFamily& family = family_of(config);
  const std::string name = family.name;
  header.add_string("general.architecture", name);
  header.add_string("general.type", "model");
  if (checkpoint.state() && !checkpoint.state()->lineage.empty())
    header.add_string("general.name", "libminillm " + checkpoint.state()->lineage.back().stage);
  header.add_u32("general.file_type", gguf_encoding(encoding).file_type);
  if (encoding == WeightEncoding::kQ8_0) header.add_u32("general.quantization_version", 2);
  for (const GgufKey& key : gguf_keys()) {
    const std::string full = name + "." + key.key;
    if (key.integer != nullptr)
      header.add_u32(full, config.*key.integer);
    else
      header.add_f32(full, config.*key.fraction);
  }
  if (config.rope_scaling.type == "linear") {
    header.add_string(name + ".rope.scaling.type", "linear");
    header.add_f32(name + ".rope.scaling.factor", config.rope_scaling.factor);
  }
  for (const GgufMultiplier& multiplier : gguf_multipliers())
    if (const double value = config.extras.*multiplier.value; family.has_multipliers && value != 0)
      header.add_f32(name + "." + multiplier.key, value);
}

}  // namespace

ExportReport export_gguf(const Checkpoint& checkpoint, const std::string& path,
                         WeightEncoding encoding, const ExportEvents& events) {
  const ModelConfig& config = checkpoint.model_config();
  check_lm_head(config);
  const int64_t interval = config.extras.no_rope_interval;
  MINILLM_CHECK(interval == 0 || interval == kGgufNoRopeInterval,
                "checkpoint '{}': layers without RoPE: expected one of {}, which readers of GGUF "
                "take for granted, got one of {}",
                checkpoint.path(), kGgufNoRopeInterval, interval);
  const TensorFiles files = checkpoint.open_weights();
  const std::vector<GgufTensor> tensors = list_tensors(config, encoding);
  ExportReport report;
  GgufHeader header;
  add_model(checkpoint, encoding, header);
  add_vocabulary(checkpoint, header, report.warnings);
  for (const GgufTensor& tensor : tensors)
    header.add_tensor(tensor.name, tensor.shape, tensor.encoding);
  std::vector<Real> divisors;
  if (config.rope_scaling.type == "llama3")
    divisors = frequency_divisors(config.head_dim, config.rope_theta, config.rope_scaling);
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
