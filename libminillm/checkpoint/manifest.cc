#include "libminillm/checkpoint/manifest.h"

#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

constexpr const char* kEdited =
    "(if you edited it: in a copy of the checkpoint outside its run, remove MANIFEST.json)";

std::string manifest_text(const Manifest& manifest) {
  nlohmann::ordered_json j;
  j["format_version"] = kCheckpointFormatVersion;
  for (const auto& [name, entry] : manifest)
    j["files"][name] = {{"bytes", entry.bytes}, {"sha256", entry.sha256}};
  return j.dump(2) + "\n";
}

}  // namespace

bool has_manifest(const std::string& directory) {
  return file_exists(join_path(directory, kManifestName));
}

// Names, types and sizes: what is wrong there is found before gigabytes are hashed.
Manifest read_manifest(const std::string& directory) {
  const std::string path = join_path(directory, kManifestName);
  const nlohmann::json parsed = read_json_file(path);
  const JsonObject object(parsed, fmt::format("file '{}'", path));
  const int64_t version = object.integer("format_version");
  MINILLM_CHECK(
      version == kCheckpointFormatVersion,
      "{}: format_version: expected {}, got {} (written by another version of this library)",
      object.subject(), kCheckpointFormatVersion, version);

  const JsonObject files = object.member("files");
  constexpr size_t kMaxFiles = 1000;
  MINILLM_CHECK(files.object().size() <= kMaxFiles, "{}: expected at most {} files, got {}",
                files.subject(), kMaxFiles, files.object().size());
  Manifest manifest;
  for (const auto& [name, value] : files.object().items()) {
    MINILLM_CHECK(!name.empty() &&
                      name.find_first_of(std::string_view("/\0", 2)) == std::string::npos &&
                      name != "." && name != "..",
                  "{}: '{}' is not the name of a file in this directory", files.subject(), name);
    const JsonObject entry = files.member(name.c_str());
    const ManifestEntry expected = {entry.unsigned_integer("bytes"), entry.string("sha256")};

    const std::string file = join_path(directory, name);
    MINILLM_CHECK(file_exists(file), "file '{}': missing, though the manifest lists it", file);
    const uint64_t bytes = file_size(file);
    MINILLM_CHECK(bytes == expected.bytes, "file '{}': damaged: expected {} bytes, got {} {}", file,
                  expected.bytes, bytes, kEdited);
    manifest[name] = expected;
  }
  // The manifest's own hash is stored nowhere, but there is only one way to write it.
  MINILLM_CHECK(read_file(path, kMaxJsonFileBytes) == manifest_text(manifest),
                "file '{}': damaged: expected the bytes that this library writes", path);
  return manifest;
}

void verify_hashes(const std::string& directory, const Manifest& manifest) {
  for (const auto& [name, expected] : manifest) {
    const std::string file = join_path(directory, name);
    const std::string hash = sha256_file(file);
    MINILLM_CHECK(hash == expected.sha256, "file '{}': damaged: expected sha256 {}, got {} {}",
                  file, expected.sha256, hash, kEdited);
  }
}

void ManifestedDirectory::write(const std::string& name, std::string_view content) {
  write(name, std::span(&content, 1));
}

void ManifestedDirectory::write(const std::string& name, std::span<const std::string_view> pieces) {
  write_pieces(name, [&](const DirectoryTransaction::Append& append) {
    for (std::string_view piece : pieces) append(piece);
  });
}

void ManifestedDirectory::write_pieces(
    const std::string& name, const std::function<void(const DirectoryTransaction::Append&)>& fill) {
  Sha256 hash;
  uint64_t bytes = 0;
  transaction_.write_pieces(name, [&](const DirectoryTransaction::Append& append) {
    fill([&](std::string_view piece) {
      append(piece);
      hash.update(piece);
      bytes += piece.size();
    });
  });
  manifest_[name] = {bytes, hash.hex()};
}

void ManifestedDirectory::commit() {
  transaction_.write(kManifestName, manifest_text(manifest_));
  transaction_.commit();
}

}  // namespace minillm
