#include "libminillm/interop/hf_export.h"

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/safetensors_header.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/nn/parameters.h"

namespace minillm {
namespace {

// What other programs read besides config.json and the weights, if it is there.
constexpr const char* kTokenizerFiles[] = {"tokenizer.model",       "tokenizer.json",
                                           "tokenizer_config.json", "special_tokens_map.json",
                                           "added_tokens.json",     "generation_config.json",
                                           "chat_template.jinja"};

struct Dtype {
  const char* safetensors;
  const char* torch;
};
Dtype dtype_of(WeightEncoding encoding) {
  MINILLM_CHECK(encoding != WeightEncoding::kQ8_0,
                "export: a Hugging Face directory has no q8_0: expected f32, bf16 or f16");
  if (encoding == WeightEncoding::kF32) return {"F32", "float32"};
  if (encoding == WeightEncoding::kF16) return {"F16", "float16"};
  return {"BF16", "bfloat16"};
}

// The checkpoint's own, so that nothing that others wrote there is lost.
std::string config_json(const std::string& directory, const char* torch_dtype) {
  using nlohmann::ordered_json;
  const std::string path = join_path(directory, "config.json");
  ordered_json config = parse_ordered_json(null_for_nonfinite(read_file(path, kMaxJsonFileBytes)),
                                           fmt::format("file '{}'", path));
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = torch_dtype;
  if (config.contains("dtype")) config.erase("torch_dtype");  // version 5's name for it
  return config.dump(2) + "\n";
}

}  // namespace

ExportReport export_hf(const Checkpoint& checkpoint, const std::string& path,
                       WeightEncoding encoding, const ExportEvents& events) {
  const Dtype dtype = dtype_of(encoding);
  MINILLM_CHECK(!file_exists(path),
                "directory '{}': already exists (remove it, or choose another name)", path);
  const TensorFiles files = checkpoint.open_weights();
  const TensorTable table = make_tensor_table(checkpoint.model_config());
  std::vector<SafetensorsTensor> entries;
  for (const TensorInfo& tensor : table.tensors())
    entries.push_back({tensor.name, dtype.safetensors, tensor.shape, tensor.size, 0, 0});
  const std::string header = make_safetensors_header(entries, {{"format", "pt"}});

  ExportReport report;
  DirectoryTransaction directory(path);
  ExportFile weights(join_path(directory.path(), "model.safetensors"),
                     header.size() + encoded_bytes(encoding, table.size()), events);
  weights.write(header);
  for (const TensorInfo& tensor : table.tensors())
    weights.write_tensor(files, tensor.name, tensor.shape.back(), encoding);
  weights.commit();
  report.bytes = weights.written();
  report.tensors = static_cast<Index>(entries.size());

  const auto write = [&](const std::string& name, const std::string& content) {
    directory.write(name, content);
    report.bytes += content.size();
  };
  write("config.json", config_json(checkpoint.path(), dtype.torch));
  for (const char* name : kTokenizerFiles) {
    const std::string source = join_path(checkpoint.path(), name);
    if (file_exists(source)) write(name, read_file(source));
  }
  directory.commit();
  if (!checkpoint.has_tokenizer())
    report.warnings.push_back(fmt::format(
        "checkpoint '{}': has no tokenizer: neither has the directory", checkpoint.path()));
  return report;
}

}  // namespace minillm
