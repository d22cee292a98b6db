#include "libminillm/checkpoint/checkpoint_layout.h"

#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"

namespace minillm {
namespace {

constexpr uint64_t kMaxStateBytes = uint64_t{64} << 20;

// A changed byte is found by its hash, which says so best. But hashing a file that holds no tensors
// may take minutes: where it takes long, the header comes first.
void check_large_headers(const std::string& directory, const Manifest& manifest) {
  constexpr uint64_t kSecondsToHash = uint64_t{1} << 30;
  for (const auto& [name, entry] : manifest)
    if (entry.bytes >= kSecondsToHash && name.ends_with(".safetensors"))
      TensorFiles::open_file(join_path(directory, name));
}

}  // namespace

bool is_adapter_directory(const std::string& path) {
  return file_exists(join_path(path, kPeftConfigName));
}

void check_vocabulary(const ModelConfig& config, const Tokenizer& tokenizer,
                      const std::string& path) {
  MINILLM_CHECK(
      tokenizer.vocab_size() <= config.vocab_size,
      "checkpoint '{}': tokenizer has {} pieces: expected at most the model's vocab_size = {}",
      path, tokenizer.vocab_size(), config.vocab_size);
}

Manifest verified_manifest(const std::string& path, std::initializer_list<const char*> names) {
  const Manifest manifest = read_manifest(path);
  for (const char* name : names)
    MINILLM_CHECK(manifest.contains(name), "checkpoint '{}': the manifest does not list {}", path,
                  name);
  check_large_headers(path, manifest);
  verify_hashes(path, manifest);
  return manifest;
}

TrainerState read_state(const std::string& directory) {
  const std::string path = join_path(directory, kTrainerStateName);
  return parse_trainer_state(read_file(path, kMaxStateBytes), path);
}

}  // namespace minillm
