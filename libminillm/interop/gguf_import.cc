#include "libminillm/interop/gguf_import.h"

#include <algorithm>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/interop/gguf_architecture.h"
#include "libminillm/interop/gguf_reader.h"
#include "libminillm/interop/gguf_rope.h"
#include "libminillm/interop/gguf_tokenizer.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/interop/shortest_decimal.h"
#include "libminillm/nn/model_family.h"
#include "libminillm/nn/parameters.h"

namespace minillm {
namespace {

// What changes the computation of a model of these architectures, in a file that has it.
constexpr const char* kForeignKeys[] = {"expert_count",
                                        "attention.clamp_kqv",
                                        "attention.max_alibi_bias",
                                        "attention.sliding_window",
                                        "attn_logit_softcapping",
                                        "final_logit_softcapping"};

const ModelFamily& read_family(const GgufFile& file) {
  const std::string name = file.text("general.architecture").value_or("");
  if (const ModelFamily* family = find_family(name)) return *family;
  std::vector<std::string> names;
  for (const ModelFamily& family : model_families()) names.emplace_back(family.name);
  throw Error(fmt::format("{}: 'general.architecture': expected {}, got '{}'", file.subject(),
                          fmt::join(names, ", "), name));
}

constexpr int64_t kAbsent = -1;

// Takes the numbers of the table's keys; what is absent stays kAbsent. Keys of one number must
// agree.
void read_numbers(const GgufFile& file, const std::string& prefix, ModelConfig& config) {
  std::vector<const GgufKey*> read;
  for (const GgufKey& key : gguf_keys()) {
    const std::string name = prefix + key.key;
    MINILLM_CHECK(file.has(name) || !key.required, "{}: '{}': expected a number, got nothing",
                  file.subject(), name);
    if (!file.has(name)) continue;
    if (key.fraction != nullptr) {
      config.*key.fraction = shortest_decimal(static_cast<float>(*file.number(name)));
      continue;
    }
    const int64_t value = *file.integer(name);
    const auto same = std::find_if(read.begin(), read.end(), [&](const GgufKey* other) {
      return other->integer == key.integer;
    });
    MINILLM_CHECK(same == read.end() || config.*key.integer == value,
                  "{}: '{}' is {}, but '{}{}' is {}: expected the same", file.subject(), name,
                  value, prefix, (*same)->key, config.*key.integer);
    config.*key.integer = value;
    read.push_back(&key);
  }
}

// Linear scaling is two keys, Llama 3's a tensor. Without a type, a factor is linear (llama.cpp).
RopeScaling read_scaling(const GgufFile& file, const std::string& prefix,
                         const ModelConfig& config) {
  const std::string type = file.text(prefix + "rope.scaling.type").value_or("linear");
  MINILLM_CHECK(type == "none" || type == "linear",
                "{}: '{}rope.scaling.type': expected none, linear, or Llama 3's tensor '{}', got "
                "'{}'",
                file.subject(), prefix, kFrequencyDivisors, type);
  auto factor = file.number(prefix + "rope.scaling.factor");
  if (!factor) factor = file.number(prefix + "rope.scale_linear");  // its older name
  RopeScaling scaling;
  if (type == "linear" && factor && *factor != 0 && *factor != 1)
    scaling = {"linear", shortest_decimal(static_cast<float>(*factor))};
  const GgufTensor* tensor = file.find_tensor(kFrequencyDivisors);
  if (tensor == nullptr) return scaling;
  MINILLM_CHECK(tensor->size == config.head_dim / 2 && scaling.type == "none",
                "{}: tensor '{}': expected {} divisors and no linear scaling beside them, got {}",
                file.subject(), tensor->name, config.head_dim / 2, tensor->size);
  std::vector<Real> divisors(static_cast<size_t>(tensor->size));
  file.read(*tensor, divisors);
  const auto found = scaling_of_divisors(divisors, config.rope_theta);
  MINILLM_CHECK(found, "{}: tensor '{}': expected the divisors of Llama 3's scaling, got others",
                file.subject(), tensor->name);
  return *found;
}

ModelExtras read_extras(const GgufFile& file, const std::string& prefix,
                        const ModelFamily& family) {
  ModelExtras extras;
  extras.qkv_bias = family.has_qkv_bias;
  extras.qk_norm = family.has_qk_norm;
  if (family.has_no_rope) extras.no_rope_interval = kGgufNoRopeInterval;
  for (const GgufMultiplier& multiplier : gguf_multipliers()) {
    const auto value = file.number(prefix + multiplier.key);
    if (!value || *value == 0) continue;
    MINILLM_CHECK(family.has_multipliers, "{}: '{}{}': expected none, got {}", file.subject(),
                  prefix, multiplier.key, *value);
    extras.*multiplier.value = shortest_decimal(static_cast<float>(*value));
  }
  return extras;
}

ModelConfig read_config(const GgufFile& file, const ModelFamily& family) {
  const std::string prefix = std::string(family.name) + ".";
  for (const char* key : kForeignKeys) {
    const auto value = file.number(prefix + key);
    MINILLM_CHECK(!value || *value == 0, "{}: '{}{}': expected none, got {}", file.subject(),
                  prefix, key, *value);
  }
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  MINILLM_CHECK(embedding != nullptr,
                "{}: has no tensor 'token_embd.weight': expected a model, got a vocabulary alone, "
                "or one part of several (llama-gguf-split joins them)",
                file.subject());
  ModelConfig config;
  config.vocab_size = config.num_key_value_heads = config.head_dim = kAbsent;
  read_numbers(file, prefix, config);
  if (config.vocab_size == kAbsent) config.vocab_size = embedding->shape.front();
  if (config.num_key_value_heads == kAbsent)
    config.num_key_value_heads = config.num_attention_heads;
  if (config.head_dim == kAbsent && config.num_attention_heads > 0)
    config.head_dim = config.hidden_size / config.num_attention_heads;
  config.tie_word_embeddings = file.find_tensor("output.weight") == nullptr;
  config.rope_scaling = read_scaling(file, prefix, config);
  config.extras = read_extras(file, prefix, family);
  try {
    config.validate();
  } catch (const Error& e) {  // its errors name the key, but not the file
    throw Error(fmt::format("{}: {}", file.subject(), e.what()));
  }
  return config;
}

std::string shape_text(const std::vector<Index>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// The file has every tensor of the table, and no other.
void check_tensors(const GgufFile& file, const TensorTable& table) {
  std::set<std::string> known = {kFrequencyDivisors};
  for (const TensorInfo& t : table.tensors()) {
    const std::string name = ggml_name(t.name);
    const GgufTensor* tensor = file.find_tensor(name);
    MINILLM_CHECK(tensor != nullptr, "{}: has no tensor '{}': expected one of shape {}",
                  file.subject(), name, shape_text(t.shape));
    MINILLM_CHECK(tensor->shape == t.shape, "{}: tensor '{}': expected shape {}, got {}",
                  file.subject(), name, shape_text(t.shape), shape_text(tensor->shape));
    file.expect_readable(*tensor);
    known.insert(name);
  }
  for (const GgufTensor& tensor : file.tensors())
    MINILLM_CHECK(known.contains(tensor.name),
                  "{}: tensor '{}': expected none of that name (the model has parts that this "
                  "library's has not)",
                  file.subject(), tensor.name);
}

// Reads a tensor, taking rows that are interleaved to halves.
void read_tensor(const GgufFile& file, const TensorInfo& t, bool interleaved, Index head_dim,
                 std::span<Real> out) {
  const GgufTensor& tensor = *file.find_tensor(ggml_name(t.name));
  if (!interleaved) return file.read(tensor, out);
  std::vector<Real> rows(out.size());
  file.read(tensor, rows);
  const Index cols = t.size / t.shape.front();
  for (Index row = 0; row < t.shape.front(); ++row)
    std::copy_n(rows.begin() + row * cols, cols,
                out.begin() + half_split_row(row, head_dim) * cols);
}

}  // namespace

GgufModel import_gguf(const std::string& path) {
  const GgufFile file(path);
  const ModelFamily& family = read_family(file);
  const ModelConfig config = read_config(file, family);
  check_tensors(file, make_tensor_table(config));
  std::optional<Tokenizer> tokenizer = read_gguf_tokenizer(file, path);
  Model model(config);
  for (const TensorInfo& t : model.tensors().tensors())
    read_tensor(file, t, family.interleaved && is_rotated(t.name), config.head_dim,
                tensor_span(model.parameters(), t));
  file.expect_whole();
  return {std::move(model), std::move(tokenizer)};
}

}  // namespace minillm
