// Checkpoints that are adapters: found, checked against their base, and read with it.

#include <cmath>
#include <filesystem>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/checkpoint_layout.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/nn/adapter_composition.h"

namespace minillm {
namespace {

// The directory of an adapter, or of a run's newest one.
std::string find_adapter(const std::string& given) {
  const std::string path = resolve_checkpoint(given);
  MINILLM_CHECK(is_directory(path), "adapter '{}': no such directory", path);
  if (is_adapter_directory(path)) return path;
  for (const std::string& name : checkpoints_to_try(path))
    if (is_adapter_directory(join_path(path, name))) return join_path(path, name);
  throw Error(fmt::format("adapter '{}': holds no adapter: expected {}, or a run that trained one",
                          path, kPeftConfigName));
}

// The hash of the adapter's base; empty where it does not say.
std::string base_hash_of(const std::string& directory) {
  const SafetensorsFile file(join_path(directory, kPeftWeightsName));
  const auto found = file.metadata().find(kBaseHashKey);
  return found == file.metadata().end() ? "" : found->second;
}

// Where the adapter says that its base is. Its own path is tried from the adapter's place, so that
// a tree of runs may be moved, then as it stands.
std::string find_base(const std::string& directory) {
  const std::string beside = has_manifest(directory) ? read_state(directory).base_path : "";
  const std::string said = read_peft_config(join_path(directory, kPeftConfigName)).base;
  const std::string from_here =
      beside.empty() ? "" : std::filesystem::path(join_path(directory, beside)).lexically_normal();
  for (const std::string& path : {from_here, said})
    if (!path.empty() && is_directory(path)) return path;
  throw Error(
      fmt::format("adapter '{}': its base '{}' is not here: expected the directory of a "
                  "model (options.adapters takes an adapter on any base)",
                  directory, said));
}

// What the adapters make of the base's heads.
Heads heads_with(Heads base, std::span<const Checkpoint::AdapterArgument> adapters) {
  for (const auto& adapter : adapters) {
    if (read_peft_config(join_path(adapter.path, kPeftConfigName)).classifies) return Heads::kScore;
    TensorFiles files = TensorFiles::open_file(join_path(adapter.path, kPeftWeightsName));
    files.drop_common_prefix();
    if (base == Heads::kLanguageModel && files.tensors().contains("score.weight"))
      return Heads::kBoth;
  }
  return base;
}

}  // namespace

Checkpoint Checkpoint::open_adapter_directory(const std::string& path) {
  MINILLM_CHECK(has_manifest(path) || !is_in_run_directory(path),
                "checkpoint '{}': not complete: it has no {}", path, kManifestName);
  const Checkpoint base = open(find_base(path));
  MINILLM_CHECK(base.base() == nullptr, "adapter '{}': its base '{}' is an adapter, too", path,
                base.path());
  const AdapterArgument own[] = {{path, 1}};
  Checkpoint checkpoint = base.with_adapters(own);
  checkpoint.path_ = path;
  return checkpoint;
}

Checkpoint Checkpoint::with_adapters(std::span<const AdapterArgument> adapters, bool force) const {
  Checkpoint result = *this;
  if (base_ == nullptr) result.base_ = std::make_shared<const Checkpoint>(*this);
  const Checkpoint& base = *result.base_;
  for (const AdapterArgument& argument : adapters) {
    const std::string path = find_adapter(argument.path);
    MINILLM_CHECK(std::isfinite(argument.weight), "adapter '{}': expected a finite weight, got {}",
                  path, argument.weight);
    if (has_manifest(path)) {
      verified_manifest(path, {kPeftConfigName, kPeftWeightsName, kTrainerStateName});
      result.state_ = read_state(path);
    }
    const std::string hash = base_hash_of(path);
    if (hash.empty())
      result.warnings_.push_back(fmt::format(
          "adapter '{}' does not say what its base was: names and shapes fit, no more is known",
          path));
    MINILLM_CHECK(
        hash.empty() || hash == base.weights_hash() || force,
        "adapter '{}' was trained on another base: expected weights {}, and those of '{}' "
        "are {} (options.force takes it all the same: its updates then mean nothing)",
        path, hash, base.path(), base.weights_hash());
    result.adapters_.push_back({path, argument.weight});
  }
  result.config_.heads = heads_with(base.config_.heads, result.adapters_);
  Sha256 all;
  all.update(base.weights_hash());
  for (const AdapterArgument& adapter : result.adapters_)
    all.update(fmt::format(" {} {}", sha256_file(join_path(adapter.path, kPeftWeightsName)),
                           adapter.weight));
  result.weights_hash_ = all.hex();
  return result;
}

Adapter Checkpoint::load_adapter(const Model& base) const {
  std::vector<Adapter> adapters;
  std::vector<WeightedAdapter> weighted;
  adapters.reserve(adapters_.size());
  for (const auto& [path, weight] : adapters_) {
    const PeftConfig config = read_peft_config(join_path(path, kPeftConfigName));
    adapters.push_back(read_peft_adapter(path, config, config_));
    weighted.push_back({&adapters.back(), weight});
  }
  Adapter adapter = adapters_.size() == 1 && adapters_[0].weight == 1 ? std::move(adapters[0])
                                                                      : composed(base, weighted);
  adapter.base_path = base_->path();
  adapter.base_hash = base_->weights_hash();
  return adapter;
}

Checkpoint CheckpointSource::open() const {
  const Checkpoint checkpoint = Checkpoint::open(path);
  return adapters.empty() ? checkpoint : checkpoint.with_adapters(adapters, force);
}

std::string CheckpointSource::name() const {
  std::string name = path;
  for (const auto& [adapter, weight] : adapters)
    name += weight == 1 ? " + " + adapter : fmt::format(" + {}:{}", adapter, weight);
  return name;
}

// An adapter that was taught to chat brings its own tokenizer, with its chat template.
const std::string& Checkpoint::tokenizer_directory() const {
  for (size_t i = adapters_.size(); i-- > 0;)
    if (!tokenizer_file(adapters_[i].path).empty()) return adapters_[i].path;
  return base_ != nullptr ? base_->path_ : path_;
}

}  // namespace minillm
