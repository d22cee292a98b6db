// A disk that forgets: what may be on it after the power failed, given the calls made before.
//
// The model is harsher than any file system (after ALICE, Pillai et al., OSDI 2014):
//   - what was written to a file since its last fsync is there, missing from some point on, cut at
//     a sector or page, or zeros;
//   - of the changes to a directory since its last fsync, any subset has happened: a rename without
//     the creation before it, an unlink without the rename before it.

#ifndef TESTS_RELIABILITY_DISK_MODEL_H_
#define TESTS_RELIABILITY_DISK_MODEL_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/core/file_calls.h"
#include "libminillm/core/rng.h"

namespace minillm_testing {

// A recorded call, with its own copies.
struct RecordedCall {
  minillm::FileOperation operation;
  std::string path, argument;
};

class DiskModel {
 public:
  // `root` exists, empty and durable.
  explicit DiskModel(std::string root) : root_(std::move(root)) {}

  void apply(const RecordedCall& call);
  // Writes to the directory `to` one of the states that a power failure may leave now.
  void write_a_crashed_state(const std::string& to, minillm::Rng& rng) const {
    write(*top_, to, rng);
  }

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  // A name that comes (node set) or goes.
  struct EntryChange {
    std::string name;
    NodePtr node;
    std::string old_name;  // of a rename: goes at the same instant
  };
  struct Node {
    explicit Node(bool directory = false) : is_directory(directory) {}
    bool is_directory;
    std::string durable, pending;  // of a file: contents on the disk, and what follows unsynced
    std::map<std::string, NodePtr> entries;  // of a directory, as programs see it
    std::map<std::string, NodePtr> durable_entries;
    std::vector<EntryChange> changes;  // since its last fsync
  };

  static NodePtr a_directory() { return std::make_shared<Node>(true); }
  std::vector<std::string> parts(const std::string& path) const {
    std::vector<std::string> names;
    const auto relative = std::filesystem::path(path).lexically_relative(root_);
    for (const auto& part : relative)
      if (part != "." && !part.empty()) names.push_back(part.string());
    return names;
  }
  NodePtr find(const std::string& path) const {
    NodePtr node = top_;
    for (const std::string& name : parts(path)) {
      const auto entry = node->entries.find(name);
      if (entry == node->entries.end()) return nullptr;
      node = entry->second;
    }
    return node;
  }
  NodePtr parent(const std::string& path) const {
    return find(std::filesystem::path(path).parent_path().string());
  }
  static std::string name_of(const std::string& path) {
    return std::filesystem::path(path).filename().string();
  }

  static void change(Node& directory, EntryChange change) {
    apply(directory.entries, change);
    directory.changes.push_back(std::move(change));
  }
  static void apply(std::map<std::string, NodePtr>& entries, const EntryChange& change) {
    if (!change.old_name.empty()) entries.erase(change.old_name);
    if (change.node)
      entries[change.name] = change.node;
    else
      entries.erase(change.name);
  }

  static std::string crashed_content(const Node& file, minillm::Rng& rng) {
    const std::string& pending = file.pending;
    size_t kept = rng.below(pending.size() + 1);
    switch (rng.below(5)) {
      case 0:
        return file.durable;
      case 1:
        return file.durable + pending;
      case 2:
        kept = kept / 512 * 512;
        break;
      case 3:
        kept = kept / 4096 * 4096;
        break;
      default:  // the length is there, the data is not
        return file.durable + pending.substr(0, kept / 512 * 512) +
               std::string(pending.size() - kept / 512 * 512, '\0');
    }
    return file.durable + pending.substr(0, kept);
  }

  static void write(const Node& directory, const std::string& to, minillm::Rng& rng) {
    std::filesystem::create_directory(to);
    std::map<std::string, NodePtr> entries = directory.durable_entries;
    const uint64_t rate = rng.below(5);  // of four changes, this many are there
    for (const EntryChange& change : directory.changes)
      if (rng.below(4) < rate) apply(entries, change);
    for (const auto& [name, node] : entries) {
      const std::string path = to + "/" + name;
      if (node->is_directory)
        write(*node, path, rng);
      else
        std::ofstream(path, std::ios::binary) << crashed_content(*node, rng);
    }
  }

  std::string root_;
  NodePtr top_ = a_directory();
};

inline void DiskModel::apply(const RecordedCall& call) {
  using minillm::FileOperation;
  const NodePtr node = find(call.path);
  switch (call.operation) {
    case FileOperation::kOpenToWrite:  // this library writes to new names only
      if (node == nullptr)
        change(*parent(call.path), {name_of(call.path), std::make_shared<Node>(), ""});
      return;
    case FileOperation::kWrite:
      node->pending += call.argument;
      return;
    case FileOperation::kTruncate:
      node->durable.clear(), node->pending.clear();
      return;
    case FileOperation::kSync:
      node->durable += node->pending, node->pending.clear();
      return;
    case FileOperation::kRename:
      change(*parent(call.argument), {name_of(call.argument), node, name_of(call.path)});
      return;
    case FileOperation::kUnlink:
    case FileOperation::kRemoveDirectory:
      if (node != nullptr) change(*parent(call.path), {name_of(call.path), nullptr, ""});
      return;
    case FileOperation::kMakeDirectory:
      if (node == nullptr) change(*parent(call.path), {name_of(call.path), a_directory(), ""});
      return;
    case FileOperation::kSyncDirectory:
      if (node != nullptr) node->durable_entries = node->entries, node->changes.clear();
      return;
    default:
      return;
  }
}

}  // namespace minillm_testing

#endif  // TESTS_RELIABILITY_DISK_MODEL_H_
