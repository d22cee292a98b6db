#include "libminillm/checkpoint/checkpoint.h"

#include <algorithm>
#include <cerrno>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/manifest.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "model.safetensors";
// Not "model-...": llama.cpp's converter takes every model*.safetensors for weights.
constexpr const char* kMoments = "optimizer.safetensors";
constexpr const char* kTrainerState = "trainer_state.json";
constexpr const char* kTokenizer = "tokenizer.model";
constexpr uint64_t kMaxStateBytes = uint64_t{64} << 20;

std::vector<NamedTensor> named_tensors(const TensorTable& table, std::span<const Real> arena) {
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& t : table.tensors())
    tensors.push_back({t.name, t.shape, tensor_span(arena, t)});
  return tensors;
}

// The model's table with another name for every tensor: that of its first or second moment.
TensorTable moment_table(const TensorTable& model, const std::string& prefix) {
  TensorTable table;
  for (const TensorInfo& t : model.tensors()) table.add(prefix + t.name, t.shape, t.decay);
  return table;
}
TensorTable exp_avg_table(const TensorTable& model) { return moment_table(model, "exp_avg."); }
TensorTable exp_avg_sq_table(const TensorTable& model) {
  return moment_table(model, "exp_avg_sq.");
}

SafetensorsMetadata metadata() {
  // transformers refuses a file without "format". Nothing here changes from step to step, so that
  // equal weights have equal hashes.
  return {{"format", "pt"}, {"minillm.format_version", std::to_string(kCheckpointFormatVersion)}};
}

void write_moments(ManifestedDirectory& directory, const CheckpointContents& contents) {
  const TensorTable first = exp_avg_table(contents.model->tensors());
  const TensorTable second = exp_avg_sq_table(contents.model->tensors());
  check_finite(first, contents.exp_avg, "optimizer");
  check_finite(second, contents.exp_avg_sq, "optimizer");
  std::vector<NamedTensor> tensors = named_tensors(first, contents.exp_avg);
  for (NamedTensor& tensor : named_tensors(second, contents.exp_avg_sq))
    tensors.push_back(std::move(tensor));
  directory.write(kMoments, SafetensorsImage(tensors, metadata()).pieces());
}

void check_vocabulary(const ModelConfig& config, const Tokenizer& tokenizer,
                      const std::string& path) {
  MINILLM_CHECK(
      tokenizer.vocab_size() <= config.vocab_size,
      "checkpoint '{}': tokenizer has {} pieces: expected at most the model's vocab_size = {}",
      path, tokenizer.vocab_size(), config.vocab_size);
}

// A tied head is the embedding; a file that also has one of its own must agree.
void drop_tied_head(TensorFiles& files, const ModelConfig& config, const std::string& path) {
  const auto head = files.tensors().find("lm_head.weight");
  const auto embed = files.tensors().find("model.embed_tokens.weight");
  if (!config.tie_word_embeddings || head == files.tensors().end() ||
      embed == files.tensors().end())
    return;
  const auto values = [&](const TensorFiles::Entry& entry) {
    std::vector<Real> out(static_cast<size_t>(entry.tensor->size));
    entry.file->read(*entry.tensor, out);
    return out;
  };
  const std::vector<Real> a = values(head->second), b = values(embed->second);
  MINILLM_CHECK(a == b,
                "checkpoint '{}': tie_word_embeddings is true, but lm_head.weight differs from "
                "model.embed_tokens.weight (set tie_word_embeddings to false in config.json)",
                path);
  files.ignore("lm_head.weight");
}

std::string hash_weights(const std::string& directory) {
  const std::vector<std::string> names = weight_file_names(directory);
  if (names.size() == 1) return sha256_file(join_path(directory, names[0]));
  Sha256 hash;
  for (const std::string& name : names)
    hash.update(name + " " + sha256_file(join_path(directory, name)) + "\n");
  return hash.hex();
}

// A changed byte is found by its hash, which says so best. But hashing a file that holds no tensors
// may take minutes: where it takes long, the header comes first.
void check_large_headers(const std::string& directory, const Manifest& manifest) {
  constexpr uint64_t kSecondsToHash = uint64_t{1} << 30;
  for (const auto& [name, entry] : manifest)
    if (entry.bytes >= kSecondsToHash && name.ends_with(".safetensors"))
      TensorFiles::open_file(join_path(directory, name));
}

bool is_checkpoint_directory(const std::string& path) {
  return file_exists(join_path(path, kConfig)) || has_manifest(path);
}

void read_weights(const TensorFiles& files, Model& model) {
  for (const TensorInfo& t : model.tensors().tensors())
    files.read(t.name, tensor_span(model.parameters(), t));
}

}  // namespace

void write_checkpoint(const std::string& path, const CheckpointContents& contents) {
  const Model& model = *contents.model;
  check_finite(model.tensors(), model.parameters(),
               fmt::format("checkpoint '{}': not written", path));
  if (contents.tokenizer != nullptr) check_vocabulary(model.config(), *contents.tokenizer, path);

  ManifestedDirectory directory(path);
  directory.write(kConfig, hf_config_json(model.config(), contents.tokenizer));
  directory.write(
      kWeights,
      SafetensorsImage(named_tensors(model.tensors(), model.parameters()), metadata()).pieces());
  if (contents.tokenizer != nullptr) {
    for (const auto& [name, content] : hf_tokenizer_files(model.config(), *contents.tokenizer)) {
      directory.write(name, content);
    }
  }
  if (!contents.exp_avg.empty()) write_moments(directory, contents);
  directory.write(kTrainerState, trainer_state_to_json(contents.state));
  directory.commit();
}

Checkpoint Checkpoint::open(const std::string& given) {
  const std::string path = resolve_checkpoint(given);
  MINILLM_CHECK(file_exists(path), "checkpoint '{}': no such directory", path);
  MINILLM_CHECK(is_directory(path), "checkpoint '{}': not a directory", path);
  if (is_checkpoint_directory(path)) return open_directory(path);

  // A run that goes on removes its oldest checkpoint, which may be the one that is being read.
  constexpr int kAttempts = 5;
  for (int attempt = 1; attempt < kAttempts; ++attempt) {
    const std::vector<std::string> names = checkpoints_to_try(path);
    try {
      return open_run(path, names);
    } catch (const Error&) {
      if (checkpoints_to_try(path) == names) throw;
    }
  }
  return open_run(path, checkpoints_to_try(path));
}

Checkpoint Checkpoint::open_run(const std::string& path, const std::vector<std::string>& names) {
  std::vector<std::string> warnings;
  for (const std::string& name : names) {
    try {
      Checkpoint checkpoint = open_directory(join_path(path, name));
      if (!warnings.empty())
        warnings.push_back(fmt::format("using '{}' instead", checkpoint.path()));
      checkpoint.warnings_ = std::move(warnings);
      return checkpoint;
    } catch (const SystemError& e) {
      // Only a missing file is damage: going back to an older checkpoint for want of memory or
      // permission would train the same steps again.
      if (e.error_number() != ENOENT)
        throw SystemError(fmt::format("{} (if it stays so, remove '{}': the checkpoint before is "
                                      "used then)",
                                      e.what(), join_path(path, name)),
                          e.error_number());
      warnings.push_back(e.what());
    } catch (const Error& e) {
      warnings.push_back(e.what());
    }
  }
  MINILLM_CHECK(warnings.empty(), "run directory '{}': no valid checkpoint: {}", path,
                fmt::join(warnings, "; "));
  throw Error(fmt::format(
      "'{}': neither a checkpoint (it has no {}) nor a run directory (it has no checkpoints)", path,
      kConfig));
}

Checkpoint Checkpoint::open_directory(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  if (has_manifest(path)) {
    const Manifest manifest = read_manifest(path);
    for (const char* name : {kConfig, kWeights, kTrainerState}) {
      MINILLM_CHECK(manifest.contains(name), "checkpoint '{}': the manifest does not list {}", path,
                    name);
    }
    check_large_headers(path, manifest);
    verify_hashes(path, manifest);
    checkpoint.weights_hash_ = manifest.at(kWeights).sha256;
    const std::string state = join_path(path, kTrainerState);
    checkpoint.state_ = parse_trainer_state(read_file(state, kMaxStateBytes), state);
  } else {
    MINILLM_CHECK(!is_in_run_directory(path), "checkpoint '{}': not complete: it has no {}", path,
                  kManifestName);
    TensorFiles::open_model(path);
    read_hf_config(join_path(path, kConfig));
    checkpoint.weights_hash_ = hash_weights(path);
  }
  HfConfig config = read_hf_config(join_path(path, kConfig));
  checkpoint.config_ = config.model;
  checkpoint.eos_token_ids_ = std::move(config.eos_token_ids);
  // A file without a head of its own can only mean the embedding, unless its config says otherwise.
  if (!config.tie_is_said)
    checkpoint.config_.tie_word_embeddings =
        !TensorFiles::open_model(path).tensors().contains("lm_head.weight");
  return checkpoint;
}

TensorFiles Checkpoint::open_weights() const {
  TensorFiles files = TensorFiles::open_model(path_);
  drop_tied_head(files, config_, path_);
  MINILLM_CHECK(!config_.has_lm_head() || config_.tie_word_embeddings ||
                    files.tensors().contains("lm_head.weight"),
                "checkpoint '{}': tensor 'lm_head.weight' is missing: expected it, or "
                "tie_word_embeddings = true in config.json",
                path_);
  files.check(make_tensor_table(config_));
  return files;
}

Model Checkpoint::load_model() const {
  // Opened first: no memory is allocated for what a config merely claims.
  const TensorFiles files = open_weights();
  Model model(config_);
  read_weights(files, model);
  return model;
}

void Checkpoint::load_parameters(Model& model) const {
  MINILLM_CHECK(model.config() == config_,
                "checkpoint '{}': its config.json does not describe this model", path_);
  read_weights(open_weights(), model);
}

bool Checkpoint::has_tokenizer() const { return file_exists(join_path(path_, kTokenizer)); }

Tokenizer Checkpoint::tokenizer() const {
  MINILLM_CHECK(
      has_tokenizer(), "checkpoint '{}': has no tokenizer: expected {}{}", path_, kTokenizer,
      file_exists(join_path(path_, "tokenizer.json")) ? " (tokenizer.json alone cannot be read)"
                                                      : "");
  Tokenizer tokenizer = load_hf_tokenizer(path_, config_.vocab_size);
  check_vocabulary(config_, tokenizer, path_);
  return tokenizer;
}

bool Checkpoint::has_moments() const {
  return state_.has_value() && file_exists(join_path(path_, kMoments));
}

void Checkpoint::load_moments(const TensorTable& table, std::span<Real> exp_avg,
                              std::span<Real> exp_avg_sq) const {
  MINILLM_CHECK(has_moments(),
                "checkpoint '{}': has no optimizer state (training cannot continue from it)",
                path_);
  const TensorFiles files = TensorFiles::open_file(join_path(path_, kMoments));
  const TensorTable first = exp_avg_table(table), second = exp_avg_sq_table(table);
  TensorTable both = first;
  for (const TensorInfo& t : second.tensors()) both.add(t.name, t.shape, t.decay);
  files.check(both);
  for (const TensorInfo& t : first.tensors()) files.read(t.name, tensor_span(exp_avg, t));
  for (const TensorInfo& t : second.tensors()) files.read(t.name, tensor_span(exp_avg_sq, t));
}

}  // namespace minillm
