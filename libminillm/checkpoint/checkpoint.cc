#include "libminillm/checkpoint/checkpoint.h"

#include <algorithm>
#include <cerrno>

#include "libminillm/checkpoint/checkpoint_layout.h"
#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

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

bool is_checkpoint_directory(const std::string& path) {
  return file_exists(join_path(path, kConfigName)) || is_adapter_directory(path) ||
         has_manifest(path);
}

void read_weights(const TensorFiles& files, Model& model) {
  std::vector<Real> values;
  for (const TensorInfo& t : model.tensors().tensors()) {
    if (const std::span<Real> all = model.parameters(); !all.empty()) {
      files.read(t.name, tensor_span(all, t));
      continue;
    }
    for_each_part(t, [&](Index first, Index count) {
      values.resize(static_cast<size_t>(count));
      files.read_part(t.name, first, values);
      model.store().write(t, first, values);
    });
  }
}

// Bfloat16 where all matrices of the files are: then nothing is rounded.
Storage storage_of(const TensorFiles& files) {
  return std::ranges::all_of(files.tensors(),
                             [](const auto& t) {
                               const SafetensorsTensor& tensor = *t.second.tensor;
                               return tensor.shape.size() < 2 || tensor.dtype == "BF16";
                             })
             ? Storage::kBfloat16
             : Storage::kReal;
}

Storage storage_for(Checkpoint::Use use, const TensorFiles& files) {
  switch (use) {
    case Checkpoint::Use::kAny:
      return Storage::kReal;
    case Checkpoint::Use::kFrozen:
      return storage_of(files);
    case Checkpoint::Use::kFrozenInt8:
      return Storage::kInt8;
  }
  return Storage::kReal;
}

}  // namespace

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
      kConfigName));
}

Checkpoint Checkpoint::open_directory(const std::string& path) {
  if (is_adapter_directory(path)) return open_adapter_directory(path);
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  if (has_manifest(path)) {
    const Manifest manifest =
        verified_manifest(path, {kConfigName, kWeightsName, kTrainerStateName});
    checkpoint.weights_hash_ = manifest.at(kWeightsName).sha256;
    checkpoint.state_ = read_state(path);
  } else {
    MINILLM_CHECK(!is_in_run_directory(path), "checkpoint '{}': not complete: it has no {}", path,
                  kManifestName);
    TensorFiles::open_model(path);
    read_hf_config(join_path(path, kConfigName));
    checkpoint.weights_hash_ = hash_weights(path);
  }
  HfConfig config = read_hf_config(join_path(path, kConfigName));
  checkpoint.config_ = config.model;
  checkpoint.eos_token_ids_ = std::move(config.eos_token_ids);
  // A file without a head of its own can only mean the embedding, unless its config says otherwise.
  if (!config.tie_is_said)
    checkpoint.config_.tie_word_embeddings =
        !TensorFiles::open_model(path).tensors().contains("lm_head.weight");
  return checkpoint;
}

TensorFiles Checkpoint::open_weights() const {
  MINILLM_CHECK(base_ == nullptr,
                "checkpoint '{}': is an adapter, or has some on it: expected a model by itself "
                "(merge them into it first)",
                path_);
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

Model Checkpoint::load_model(Use use) const {
  if (base_ != nullptr) {
    Model model = base_->load_model(use);
    if (model.config().heads != config_.heads) model = with_heads(model, config_.heads);
    model.adapt(std::make_shared<Adapter>(load_adapter(model)));
    return model;
  }
  // Opened first: no memory is allocated for what a config merely claims.
  const TensorFiles files = open_weights();
  Model model(config_, storage_for(use, files));
  read_weights(files, model);
  return model;
}

void Checkpoint::load_parameters(Model& model) const {
  MINILLM_CHECK(model.config() == config_,
                "checkpoint '{}': its config.json does not describe this model", path_);
  if (base_ == nullptr) return read_weights(open_weights(), model);
  const Adapter adapter = load_adapter(model);
  AdapterShape expected = model.adapter() == nullptr ? AdapterShape() : model.adapter()->shape();
  expected.b_rate = adapter.shape().b_rate;  // is not in the file
  MINILLM_CHECK(adapter.shape() == expected,
                "checkpoint '{}': its {} does not describe this adapter", path_, kPeftConfigName);
  std::ranges::copy(adapter.parameters(), model.adapter()->parameters().begin());
}

bool Checkpoint::has_tokenizer() const { return !tokenizer_file(tokenizer_directory()).empty(); }

Tokenizer Checkpoint::tokenizer() const {
  const std::string& path = tokenizer_directory();
  MINILLM_CHECK(has_tokenizer(), "checkpoint '{}': has no tokenizer: expected {} or {}", path,
                kSentencepieceName, kTokenizerJsonName);
  Tokenizer tokenizer = load_hf_tokenizer(path, config_.vocab_size);
  check_vocabulary(config_, tokenizer, path);
  return tokenizer;
}

bool Checkpoint::has_moments() const {
  return state_.has_value() && file_exists(join_path(path_, kMomentsName));
}

void Checkpoint::load_optimizer(const TensorTable& table, const OptimizerState& state) const {
  MINILLM_CHECK(has_moments(),
                "checkpoint '{}': has no optimizer state (training cannot continue from it)",
                path_);
  const TensorFiles files = TensorFiles::open_file(join_path(path_, kMomentsName));
  TensorTable all;
  for (const OptimizerArray& array : state)
    for (const TensorInfo& t : tensors_of(table, array))
      all.add(array.prefix + t.name, t.shape, t.decay);
  files.check(all);
  std::vector<Real> values;
  for (const OptimizerArray& array : state)
    for_each_piece(table, array, [&](const OptimizerPiece& piece) {
      values.resize(static_cast<size_t>(piece.end - piece.begin));
      files.read_part(array.prefix + piece.tensor.name, piece.begin - piece.tensor.offset, values);
      array.take(piece.begin, values);
    });
}

}  // namespace minillm
