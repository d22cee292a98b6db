#include "libminillm/interop/mlx_adapter_import.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "libminillm/checkpoint/peft_config.h"
#include "libminillm/checkpoint/peft_files.h"  // parse_module
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

constexpr const char* kWeightsName = "adapters.safetensors";
constexpr const char* kA = ".lora_a";
constexpr const char* kB = ".lora_b";

struct MlxConfig {
  int64_t layers = 0;  // the last so many have updates
  int64_t rank = 0;
  double scale = 0;
};

MlxConfig read_config(const std::string& path, Index layers) {
  const nlohmann::json j = read_json_file(path);
  const JsonObject config(j, fmt::format("file '{}'", path));
  const std::string type = config.string_or("fine_tune_type", "lora");
  MINILLM_CHECK(type == "lora", "{}: 'fine_tune_type': expected \"lora\", got \"{}\"",
                config.subject(), type);
  constexpr int64_t kMaxRank = 65536;
  const JsonObject lora = config.member("lora_parameters");
  MlxConfig result;
  result.layers = config.find("num_layers") == nullptr ? layers : config.integer("num_layers");
  if (result.layers < 0) result.layers = layers;  // -1: all
  MINILLM_CHECK(result.layers <= layers, "{}: 'num_layers': expected at most the base's {}, got {}",
                config.subject(), layers, result.layers);
  result.rank = lora.integer_in("rank", 1, kMaxRank);
  result.scale = lora.number("scale");
  MINILLM_CHECK(std::isfinite(result.scale), "{}: 'scale': expected a finite number",
                config.subject());
  return result;
}

AdapterShape shape_of(const TensorFiles& files, const MlxConfig& config, const ModelConfig& model,
                      const std::string& path) {
  AdapterShape shape;
  const Index first = model.num_hidden_layers - config.layers;
  for (const auto& [name, entry] : files.tensors()) {
    const bool is_b = name.ends_with(kB);
    const bool is_factor = is_b || name.ends_with(kA);
    const auto update =
        is_factor ? parse_module(name.substr(0, name.size() - std::string_view(kA).size()),
                                 model.num_hidden_layers)
                  : std::nullopt;
    MINILLM_CHECK(update && !is_parallel(update->module),
                  "'{}': tensor '{}' is no factor of a matrix of this base: expected {} and {} of "
                  "{} (is it of another base?)",
                  path, name, kA, kB, all_modules());
    MINILLM_CHECK(update->layer >= first,
                  "'{}': tensor '{}': expected only the last {} layers, as adapter_config.json has "
                  "it",
                  path, name, config.layers);
    if (!is_b) shape.updates.push_back({update->layer, update->module, config.rank, config.scale});
  }
  MINILLM_CHECK(!shape.updates.empty(), "'{}': holds no updates", path);
  std::ranges::sort(shape.updates, {},
                    [](const AdapterShape::Update& u) { return std::pair(u.layer, u.module); });
  return shape;
}

}  // namespace

Adapter import_mlx_adapter(const std::string& directory, const Checkpoint& base) {
  const ModelConfig& model = base.model_config();
  MINILLM_CHECK(base.base() == nullptr, "checkpoint '{}': is an adapter: expected a model",
                base.path());
  const MlxConfig config =
      read_config(join_path(directory, kPeftConfigName), model.num_hidden_layers);
  const std::string path = join_path(directory, kWeightsName);
  const TensorFiles files = TensorFiles::open_file(path);
  const AdapterShape shape = shape_of(files, config, model, path);
  TensorTable table;
  for (const AdapterShape::Update& update : shape.updates) {
    const ModuleShape module = module_shape(model, update.module);
    table.add(module_name(update) + kA, {module.in, update.rank}, true);
    table.add(module_name(update) + kB, {update.rank, module.out}, true);
  }
  files.check(table);

  Adapter adapter(model, shape);
  std::vector<Real> turned;
  for (const AdapterShape::Update& update : shape.updates) {
    const std::string name = module_name(update);
    const auto own = [&](bool is_b) {
      return tensor_span(adapter.parameters(),
                         *adapter.tensors().find(name + factor_name(update.module, is_b)));
    };
    files.read(name + kB, own(true));  // [r, out], as in memory
    const std::span<Real> a = own(false);
    turned.resize(a.size());
    files.read(name + kA, turned);
    const auto rank = static_cast<size_t>(update.rank), in = a.size() / rank;
    for (size_t r = 0; r < rank; ++r)
      for (size_t i = 0; i < in; ++i) a[r * in + i] = turned[i * rank + r];
  }
  adapter.base_path = base.path();
  adapter.base_hash = base.weights_hash();
  return adapter;
}

}  // namespace minillm
