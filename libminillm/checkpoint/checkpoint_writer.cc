// Writes checkpoints: of a model, or of the adapter on one.

#include <filesystem>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/checkpoint_layout.h"
#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

std::vector<NamedTensor> named_tensors(const TensorTable& table, std::span<const Real> arena) {
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& t : table.tensors())
    tensors.push_back({t.name, t.shape, tensor_span(arena, t)});
  return tensors;
}

// The table of what is trained: the adapter's, or the model's.
const TensorTable& trained_tensors(const Model& model) {
  return model.adapter() != nullptr ? model.adapter()->tensors() : model.tensors();
}

SafetensorsMetadata metadata() {
  // transformers refuses a file without "format". Nothing here changes from step to step, so that
  // equal weights have equal hashes.
  return {{"format", "pt"}, {"minillm.format_version", std::to_string(kCheckpointFormatVersion)}};
}

// Piece by piece: no rank needs room for what all of them hold.
void write_optimizer(ManifestedDirectory& directory, const CheckpointContents& contents) {
  const TensorTable& trained = trained_tensors(*contents.model);
  std::vector<SafetensorsTensor> entries;
  for (const OptimizerArray& array : contents.optimizer)
    for (const TensorInfo& t : tensors_of(trained, array))
      entries.push_back({array.prefix + t.name, "F32", t.shape, t.size, 0, 0});
  const std::string header = make_safetensors_header(entries, metadata());
  directory.write_pieces(kMomentsName, [&](const auto& append) {
    append(header);
    std::vector<Real> values;
    for (const OptimizerArray& array : contents.optimizer)
      for_each_piece(trained, array, [&](const OptimizerPiece& piece) {
        values.resize(static_cast<size_t>(piece.end - piece.begin));
        array.read(piece.begin, values);
        check_finite(values, "optimizer: tensor '" + array.prefix + piece.tensor.name + "'",
                     piece.begin - piece.tensor.offset);
        append_f32(values, append);
      });
  });
}

// `to` as seen from the directory `from`.
std::string relative_path(const std::string& to, const std::string& from) {
  namespace fs = std::filesystem;
  return fs::absolute(to).lexically_normal().lexically_relative(
      fs::absolute(from).lexically_normal());
}

void write_tokenizer(ManifestedDirectory& directory, const CheckpointContents& contents) {
  if (contents.tokenizer == nullptr) return;
  for (const auto& [name, content] :
       hf_tokenizer_files(contents.model->config(), *contents.tokenizer))
    directory.write(name, content);
}

void write_training_state(ManifestedDirectory& directory, const CheckpointContents& contents) {
  if (!contents.optimizer.empty()) write_optimizer(directory, contents);
  directory.write(kTrainerStateName, trainer_state_to_json(contents.state));
}

void write_adapter(const std::string& path, const CheckpointContents& contents) {
  const Adapter& adapter = *contents.model->adapter();
  check_finite(adapter.tensors(), adapter.parameters(),
               fmt::format("checkpoint '{}': not written", path));
  SafetensorsMetadata about = metadata();
  if (!adapter.base_hash.empty()) about[kBaseHashKey] = adapter.base_hash;
  ManifestedDirectory directory(path);
  directory.write(kPeftConfigName, peft_config_json(adapter, contents.model->config()));
  const PeftTensors tensors(adapter);
  directory.write(kPeftWeightsName, SafetensorsImage(tensors.tensors, about).pieces());
  write_tokenizer(directory, contents);
  CheckpointContents located = contents;
  located.state.base_path = adapter.base_path.empty() ? "" : relative_path(adapter.base_path, path);
  write_training_state(directory, located);
  directory.commit();
}

}  // namespace

void write_checkpoint(const std::string& path, const CheckpointContents& contents) {
  const Model& model = *contents.model;
  if (contents.tokenizer != nullptr) check_vocabulary(model.config(), *contents.tokenizer, path);
  if (model.adapter() != nullptr) return write_adapter(path, contents);
  MINILLM_CHECK(model.store().storage() == Storage::kReal,
                "checkpoint '{}': not written: the model's matrices are kept in bfloat16: expected "
                "one that was loaded to be saved",
                path);
  check_finite(model.tensors(), model.parameters(),
               fmt::format("checkpoint '{}': not written", path));

  ManifestedDirectory directory(path);
  directory.write(kConfigName, hf_config_json(model.config(), contents.tokenizer));
  directory.write(
      kWeightsName,
      SafetensorsImage(named_tensors(model.tensors(), model.parameters()), metadata()).pieces());
  write_tokenizer(directory, contents);
  write_training_state(directory, contents);
  directory.commit();
}

}  // namespace minillm
