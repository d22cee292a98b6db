// Checkpoint: one format for all stages, a Hugging Face directory plus the training state; or an
// adapter, PEFT's directory plus the training state, which is read with the model that it belongs
// to (its base).
//
// doc/checkpoint_format.md describes every file. `transformers`, vLLM and llama.cpp's converter
// load the directory as it is and ignore the extra files (optimizer.safetensors,
// trainer_state.json, MANIFEST.json). Directories written by others load too (F32, F16, BF16,
// sharded index, no tokenizer).

#ifndef LIBMINILLM_CHECKPOINT_CHECKPOINT_H_
#define LIBMINILLM_CHECKPOINT_CHECKPOINT_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/checkpoint/optimizer_state.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/checkpoint/trainer_state.h"  // TrainerState, LineageEntry
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"

namespace minillm {

// A checkpoint to be written.
struct CheckpointContents {
  const Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;  // may be null
  OptimizerState optimizer = {};         // empty for a released model
  TrainerState state;
};
// Writes the directory `path` in one step: all of it or nothing; of an adapted model, its adapter
// only. Throws Error if `path` exists, if
// the disk is full etc., and if a number is not finite: no such weight is ever saved.
void write_checkpoint(const std::string& path, const CheckpointContents& contents);

class Checkpoint {
 public:
  // `path`: a checkpoint directory, or a run directory (then its LATEST, or the newest valid one if
  // LATEST's is damaged: `warnings()` says so). Validates the config, and, if there is a manifest,
  // the sizes and hashes of all files. Throws Error naming file, reason and remedy.
  static Checkpoint open(const std::string& path);

  // The same, of several adapters (this one's own first, if it is one) as one, on one base. Throws
  // Error, also if an adapter was trained on another base, unless `force`.
  struct AdapterArgument {
    std::string path;
    double weight = 1;
  };
  Checkpoint with_adapters(std::span<const AdapterArgument> adapters, bool force = false) const;

  const std::string& path() const { return path_; }  // of the checkpoint directory itself
  // Of an adapter: the model that it belongs to; else null.
  const Checkpoint* base() const { return base_.get(); }
  const std::vector<std::string>& warnings() const { return warnings_; }
  const ModelConfig& model_config() const { return config_; }
  // Ids that end a text, according to config.json: for directories without a tokenizer.
  const std::vector<Token>& eos_token_ids() const { return eos_token_ids_; }
  // What a model is loaded for: to be trained, merged or saved; or to be read only, and adapted.
  enum class Use { kAny, kFrozen, kFrozenInt8 };
  // The model with its weights, adapted by its adapter. A frozen one of a file in bfloat16 is kept
  // so, in half the memory: no number is another. In int8 its matrices are rounded
  // (core/stored_matrix.h). Throws Error unless every tensor is there and
  // none is left over, shapes are as configured, and every number is finite.
  Model load_model(Use use = Use::kAny) const;
  // Of an adapter: it alone, several as one, for the model of its base.
  Adapter load_adapter(const Model& base) const;
  // The same into a model of this configuration; of an adapter, into the model's adapter.
  void load_parameters(Model& model) const;
  // The files of the weights, for reading tensor by tensor: checked as by load_model(), except for
  // the numbers, which are checked as they are read. Throws Error for an adapter.
  TensorFiles open_weights() const;

  bool has_tokenizer() const;
  // With the chat template that is stored beside it. Throws Error if there is no tokenizer, or if
  // it has more pieces than the model.
  Tokenizer tokenizer() const;
  // SHA-256 of model.safetensors; of a sharded model, SHA-256 over the shards' names and hashes; of
  // an adapter, SHA-256 over its base's hash and that of adapter_model.safetensors.
  const std::string& weights_hash() const { return weights_hash_; }

  // Present only in checkpoints written by this library.
  const std::optional<TrainerState>& state() const { return state_; }
  bool has_moments() const;
  // Hands every array of the state, laid out by `table` (of what is trained), its values. Throws
  // Error unless the file has these arrays and no others.
  void load_optimizer(const TensorTable& table, const OptimizerState& state) const;
  // The same of AdamW's moments alone.
  void load_moments(const TensorTable& table, std::span<Real> exp_avg,
                    std::span<Real> exp_avg_sq) const {
    load_optimizer(table, moments_in_memory(exp_avg, exp_avg_sq));
  }

 private:
  static Checkpoint open_directory(const std::string& path);
  static Checkpoint open_adapter_directory(const std::string& path);
  const std::string& tokenizer_directory() const;
  static Checkpoint open_run(const std::string& path, const std::vector<std::string>& names);

  std::string path_;
  std::vector<std::string> warnings_;
  ModelConfig config_;
  std::vector<Token> eos_token_ids_;
  std::optional<TrainerState> state_;
  std::string weights_hash_;
  std::shared_ptr<const Checkpoint> base_;
  std::vector<AdapterArgument> adapters_;  // directories
};

// Where a model is: a checkpoint, and adapters on it.
struct CheckpointSource {
  std::string path;
  std::vector<Checkpoint::AdapterArgument> adapters = {};
  bool force = false;  // takes adapters of another base

  Checkpoint open() const;   // throws Error as Checkpoint does
  std::string name() const;  // "runs/base + runs/tenant:0.5"
};

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_CHECKPOINT_H_
