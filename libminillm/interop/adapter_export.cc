#include "libminillm/interop/adapter_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/checkpoint/peft_config.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/interop/gguf_architecture.h"  // ggml_name
#include "libminillm/interop/gguf_writer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/nn/model_family.h"

namespace minillm {
namespace {

Adapter adapter_alone(const Checkpoint& checkpoint, const char* format) {
  MINILLM_CHECK(checkpoint.base() != nullptr,
                "checkpoint '{}': is no adapter: expected one, or a model and adapters on it",
                checkpoint.path());
  const Model model = checkpoint.load_model();
  const AdapterShape& shape = model.adapter()->shape();
  MINILLM_CHECK(shape.virtual_tokens == 0 && !is_parallel(shape.updates.front().module),
                "checkpoint '{}': the adapter is {}, which {} has no place for: expected LoRA",
                checkpoint.path(), describe(shape), format);
  MINILLM_CHECK(shape.tokens.empty() && !shape.score,
                "checkpoint '{}': the adapter {}, which {} has no place for (merge it into its "
                "base, or train it on a model that knows chats)",
                checkpoint.path(),
                shape.score ? "has a score head" : "replaces rows of the embedding", format);
  std::set<std::string> names;
  for (const AdapterShape::Update& update : shape.updates)
    MINILLM_CHECK(names.insert(module_name(update)).second,
                  "checkpoint '{}': several adapters: expected one ('{}' has two updates)",
                  checkpoint.path(), module_name(update));
  Adapter alone(model.config(), shape);
  std::ranges::copy(model.adapter()->parameters(), alone.parameters().begin());
  return alone;
}

// The factors of update i: A [r, in] and B turned, [r, out].
struct Factors {
  ConstView a, bt;
};
std::vector<Factors> factors_of(const Adapter& adapter, const ModelConfig& model) {
  std::vector<Factors> factors(adapter.shape().updates.size());
  const Real* next = adapter.parameters().data();
  for_each_adapter_tensor(
      model, adapter.shape(),
      [&](const std::string& name, Index rows, Index cols, const AdapterShape::Update* update) {
        const ConstView own(next, rows, cols);
        next += rows * cols;
        const auto i = static_cast<size_t>(update - adapter.shape().updates.data());
        (name.ends_with(".lora_A.weight") ? factors[i].a : factors[i].bt) = own;
      });
  return factors;
}

std::string values_of(ConstView matrix, const std::string& name) {
  std::string bytes;
  for (Index r = 0; r < matrix.rows; ++r)
    append_encoded(WeightEncoding::kF32, {matrix.row(r), static_cast<size_t>(matrix.cols)}, name,
                   bytes);
  return bytes;
}

Matrix turned(ConstView matrix) {
  Matrix result(matrix.cols, matrix.rows);
  for (Index r = 0; r < matrix.rows; ++r)
    for (Index c = 0; c < matrix.cols; ++c) result(c, r) = matrix(r, c);
  return result;
}

}  // namespace

ExportReport export_gguf_adapter(const Checkpoint& checkpoint, const std::string& path,
                                 const ExportEvents& events) {
  const ModelConfig& model = checkpoint.model_config();
  const Adapter adapter = adapter_alone(checkpoint, "a GGUF adapter");
  const std::vector<AdapterShape::Update>& updates = adapter.shape().updates;
  const std::vector<Factors> factors = factors_of(adapter, model);
  // The reader's scale is alpha / rank; 0 would mean 1.
  double alpha = updates.front().scale * static_cast<double>(updates.front().rank);
  if (alpha == 0) alpha = 1;

  GgufHeader header;
  const ModelFamily& family = family_of(model);
  header.add_string("general.architecture", family.name);
  header.add_string("general.type", "adapter");
  header.add_string("adapter.type", "lora");
  header.add_f32("adapter.lora.alpha", alpha);
  std::string bytes;
  for (size_t i = 0; i < updates.size(); ++i) {
    const AdapterShape::Update& update = updates[i];
    const std::string name = ggml_name(module_name(update) + ".weight");
    const double folded = update.scale * static_cast<double>(update.rank) / alpha;
    Matrix b = turned(factors[i].bt);
    const bool interleaved =
        family.interleaved && (update.module == Module::kQ || update.module == Module::kK);
    Matrix ordered(b.rows(), b.cols());
    for (Index row = 0; row < b.rows(); ++row) {
      const Index from = interleaved ? half_split_row(row, model.head_dim) : row;
      for (Index r = 0; r < b.cols(); ++r)
        ordered(row, r) = folded == 1 ? b(from, r) : static_cast<Real>(folded * double{b(from, r)});
    }
    for (const auto& [end, matrix] :
         {std::pair(".lora_a", factors[i].a), {".lora_b", ConstView(ordered.view())}}) {
      header.add_tensor(name + end, {matrix.rows, matrix.cols}, WeightEncoding::kF32);
      bytes += values_of(matrix, name + end);
      bytes += GgufHeader::padding(bytes.size());
    }
  }
  const std::string before = header.bytes();
  ExportFile file(path, before.size() + header.data_bytes(), events);
  file.write(before);
  file.write(bytes);
  file.commit();
  return {file.written(), static_cast<Index>(2 * updates.size()), {}};
}

ExportReport export_mlx_adapter(const Checkpoint& checkpoint, const std::string& path) {
  const ModelConfig& model = checkpoint.model_config();
  const Adapter adapter = adapter_alone(checkpoint, "mlx-lm");
  const std::vector<AdapterShape::Update>& updates = adapter.shape().updates;
  std::set<std::string> keys;
  for (const AdapterShape::Update& update : updates) {
    MINILLM_CHECK(update.rank == updates[0].rank && update.scale == updates[0].scale,
                  "checkpoint '{}': '{}' has another rank or scale than '{}': expected the same in "
                  "all, as mlx-lm has one of each",
                  checkpoint.path(), module_name(update), module_name(updates[0]));
    keys.insert(path_in_block(update.module));
  }
  MINILLM_CHECK(std::ssize(updates) == std::ssize(keys) * model.num_hidden_layers,
                "checkpoint '{}': layers have different updates: expected the same in all, as "
                "mlx-lm has one list",
                checkpoint.path());
  const nlohmann::ordered_json config = {
      {"fine_tune_type", "lora"},
      {"num_layers", model.num_hidden_layers},
      {"lora_parameters",
       {{"rank", updates[0].rank}, {"scale", updates[0].scale}, {"dropout", 0.0}, {"keys", keys}}}};
  const std::vector<Factors> factors = factors_of(adapter, model);
  std::vector<Matrix> matrices;
  std::vector<NamedTensor> tensors;
  matrices.reserve(updates.size());
  for (size_t i = 0; i < updates.size(); ++i) {
    const std::string name = module_name(updates[i]);
    const Matrix& a = matrices.emplace_back(turned(factors[i].a));
    tensors.push_back({name + ".lora_a", {a.rows(), a.cols()}, a.span()});
    const ConstView b = factors[i].bt;
    tensors.push_back(
        {name + ".lora_b", {b.rows, b.cols}, {b.data, static_cast<size_t>(b.rows * b.cols)}});
  }
  const SafetensorsImage image(tensors, {{"format", "mlx"}});
  MINILLM_CHECK(!file_exists(path),
                "directory '{}': already exists (remove it, or choose another name)", path);
  DirectoryTransaction directory(path);
  directory.write("adapter_config.json", config.dump(4) + "\n");
  directory.write("adapters.safetensors", image.pieces());
  directory.commit();
  ExportReport report;
  for (const std::string_view piece : image.pieces()) report.bytes += piece.size();
  report.tensors = std::ssize(tensors);
  return report;
}

MergeLoss merge_loss(const Model& adapted, const Model& merged) {
  MergeLoss loss;
  for (const AdapterShape::Update& update : adapted.adapter()->shape().updates) {
    const TensorInfo& tensor = *adapted.tensors().find(module_name(update) + ".weight");
    const auto before = tensor_span(adapted.parameters(), tensor);
    const auto after = tensor_span(merged.parameters(), tensor);
    loss.numbers += tensor.size;
    for (size_t i = 0; i < before.size(); ++i)
      loss.unmoved_in_bfloat16 += float_to_bfloat16(static_cast<float>(before[i])) ==
                                  float_to_bfloat16(static_cast<float>(after[i]));
  }
  return loss;
}

}  // namespace minillm
