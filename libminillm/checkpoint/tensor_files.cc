#include "libminillm/checkpoint/tensor_files.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// The index: tensor -> file. A file name that is a path could point anywhere on the reader's disk.
std::map<std::string, std::string> read_index(const std::string& directory) {
  const std::string path = join_path(directory, kIndexFile);
  const nlohmann::json parsed = read_json_file(path);
  const JsonObject map = JsonObject(parsed, fmt::format("file '{}'", path)).member("weight_map");
  std::map<std::string, std::string> index;
  for (const auto& [tensor, value] : map.object().items()) {
    const std::string file = map.string(tensor.c_str());
    const bool plain = file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos &&
                       file.ends_with(".safetensors");
    MINILLM_CHECK(plain,
                  "{}: '{}': expected the name of a .safetensors file in this directory, got '{}'",
                  map.subject(), tensor, file);
    index[tensor] = file;
  }
  MINILLM_CHECK(!index.empty(), "{}: lists no tensors", map.subject());
  return index;
}

// What lies there instead, and what to do.
std::string other_weights(const std::string& directory) {
  for (const std::string& name : list_directory(directory)) {
    if (name.ends_with(".bin") || name.ends_with(".pth") || name.ends_with(".pt"))
      return fmt::format(
          ", got '{}' (PyTorch's own format runs code when it is read: save it with "
          "save_pretrained(..., safe_serialization=True))",
          name);
    if (name.ends_with(".gguf"))
      return fmt::format(", got '{}' (GGUF is written, not read: take the model's original)", name);
    if (name == "adapter_model.safetensors")
      return ", got an adapter (merge it into its base: merge_and_unload)";
    if (name.ends_with(".safetensors")) return fmt::format(", got '{}'", name);
  }
  return "";
}

bool is_sharded(const std::string& directory) {
  return !file_exists(join_path(directory, kSingleFile)) &&
         file_exists(join_path(directory, kIndexFile));
}

std::string shown(const std::vector<Index>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Position of the first value that is not finite, or values.size().
size_t first_non_finite(std::span<const Real> values) {
  const auto found =
      std::find_if_not(values.begin(), values.end(), [](Real x) { return std::isfinite(x); });
  return static_cast<size_t>(found - values.begin());
}

}  // namespace

void check_finite(std::span<const Real> values, const std::string& subject, Index first) {
  const size_t bad = first_non_finite(values);
  MINILLM_CHECK(bad == values.size(), "{}: element {} is {}: expected finite numbers", subject,
                first + static_cast<Index>(bad), values[bad]);
}

std::vector<std::string> weight_file_names(const std::string& directory) {
  if (!is_sharded(directory)) {
    MINILLM_CHECK(file_exists(join_path(directory, kSingleFile)),
                  "checkpoint '{}': has no weights: expected {} or {}{}", directory, kSingleFile,
                  kIndexFile, other_weights(directory));
    return {kSingleFile};
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : read_index(directory)) names.insert(file);
  return {names.begin(), names.end()};
}

TensorFiles TensorFiles::open_file(const std::string& path) {
  TensorFiles files;
  files.path_ = path;
  files.add(path);
  return files;
}

TensorFiles TensorFiles::open_model(const std::string& directory) {
  TensorFiles files;
  files.path_ = directory;
  for (const std::string& name : weight_file_names(directory))
    files.add(join_path(directory, name));
  if (is_sharded(directory)) {
    const auto index = read_index(directory);
    for (const auto& [tensor, file] : index) {
      const auto found = files.tensors_.find(tensor);
      MINILLM_CHECK(
          found != files.tensors_.end() && found->second.file->path() == join_path(directory, file),
          "checkpoint '{}': tensor '{}' is not in '{}', where the index says it is", directory,
          tensor, file);
    }
    for (const auto& [tensor, entry] : files.tensors_) {
      MINILLM_CHECK(index.contains(tensor), "file '{}': tensor '{}' is not in the index",
                    entry.file->path(), tensor);
    }
  }
  std::erase_if(files.tensors_,
                [](const auto& t) { return t.first.ends_with(".rotary_emb.inv_freq"); });
  files.drop_common_prefix();
  return files;
}

void TensorFiles::drop_common_prefix() {
  constexpr std::string_view kBare = "prompt_embeddings";  // PEFT puts nothing in front of it
  for (const std::string_view prefix :
       {"_orig_mod.", "module.", "base_model.model.", "base_model."}) {
    const auto has_it = [&](const auto& t) { return t.first.starts_with(prefix); };
    if (std::ranges::none_of(tensors_, has_it) ||
        !std::ranges::all_of(tensors_,
                             [&](const auto& t) { return has_it(t) || t.first == kBare; }))
      continue;
    std::map<std::string, Entry, std::less<>> plain;
    for (auto& [name, entry] : tensors_)
      plain.emplace(name == kBare ? name : name.substr(prefix.size()), entry);
    tensors_ = std::move(plain);
    drop_common_prefix();  // they are nested, too
    return;
  }
}

void TensorFiles::add(const std::string& path) {
  const SafetensorsFile& file = *files_.emplace_back(std::make_unique<SafetensorsFile>(path));
  for (const SafetensorsTensor& tensor : file.tensors()) {
    const auto [place, is_new] = tensors_.try_emplace(tensor.name, Entry{&file, &tensor});
    MINILLM_CHECK(is_new, "file '{}': tensor '{}' is in '{}', too", path, tensor.name,
                  place->second.file->path());
  }
}

void TensorFiles::check(const TensorTable& table) const {
  for (const TensorInfo& expected : table.tensors()) {
    const auto found = tensors_.find(expected.name);
    MINILLM_CHECK(found != tensors_.end(), "'{}': tensor '{}' is missing: expected shape {}", path_,
                  expected.name, shown(expected.shape));
    const std::vector<Index>& shape = found->second.tensor->shape;
    MINILLM_CHECK(shape == expected.shape, "'{}': tensor '{}': expected shape {}, got {}", path_,
                  expected.name, shown(expected.shape), shown(shape));
  }
  if (tensors_.size() == table.tensors().size()) return;
  std::set<std::string_view> names;
  for (const TensorInfo& expected : table.tensors()) names.insert(expected.name);
  for (const auto& [name, entry] : tensors_) {
    MINILLM_CHECK(names.contains(name),
                  "'{}': tensor '{}' is not part of the model that config.json describes", path_,
                  name);
  }
}

void TensorFiles::read(std::string_view name, std::span<Real> out) const {
  read_part(name, 0, out);
}

void TensorFiles::read_part(std::string_view name, Index first, std::span<Real> out) const {
  const auto found = tensors_.find(name);
  MINILLM_CHECK(found != tensors_.end(), "'{}': tensor '{}' is missing", path_, name);
  found->second.file->read_part(*found->second.tensor, first, out);
  if (first_non_finite(out) == out.size()) return;  // the usual case: builds no text
  check_finite(out, fmt::format("file '{}': tensor '{}'", found->second.file->path(), name), first);
}

void check_finite(const TensorTable& table, std::span<const Real> arena,
                  const std::string& subject) {
  for (const TensorInfo& tensor : table.tensors()) {
    check_finite(tensor_span(arena, tensor), fmt::format("{}: tensor '{}'", subject, tensor.name));
  }
}

}  // namespace minillm
