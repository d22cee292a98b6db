#include "libminillm/checkpoint/run_directory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "libminillm/checkpoint/manifest.h"
#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char* kLatest = "LATEST";
constexpr const char* kBest = "best";
constexpr const char* kLock = ".lock";
constexpr uint64_t kMaxNameBytes = 4096;  // of LATEST and best

// A checkpoint that replaces one of the same step is written as kFresh; while the two change
// places, the old one is kReplaced. What rotation removes is renamed to kTrash first, so that
// nobody reads half of it.
constexpr std::string_view kFresh = ".fresh";
constexpr std::string_view kReplaced = ".replaced";
constexpr std::string_view kTrash = ".trash-";

// The checkpoint's name in LATEST or best, or "" if there is none or it is not such a name.
std::string read_pointer(const std::string& path) {
  if (!file_exists(path)) return "";
  std::string name = read_file(path, kMaxNameBytes);
  if (name.ends_with('\n')) name.pop_back();
  return checkpoint_step(name) ? name : "";
}

std::string created(std::string directory) {
  create_directories(directory);
  return directory;
}

// Whether a crashed writer of this library has left `name`: its name says so, and its content, too.
bool is_leftover(const std::string& run, const std::string& name) {
  const std::string path = join_path(run, name);
  const auto is_checkpoint = [&](std::string_view of) {
    return checkpoint_step(of) && is_directory(path) && !std::filesystem::is_symlink(path) &&
           (has_manifest(path) || is_unfinished_transaction(path));
  };
  for (const std::string_view ending : {kFresh, kReplaced})
    if (name.ends_with(ending)) return is_checkpoint(name.substr(0, name.size() - ending.size()));
  if (name.starts_with(kTrash)) return is_checkpoint(name.substr(kTrash.size()));
  const std::string_view becomes = temporary_of(name);
  constexpr std::array<std::string_view, 9> kFiles = {
      kLatest,       kBest,           "metrics.jsonl",        "tokenizer.model",    "train.tokens",
      "eval.tokens", "replay.tokens", "reference_train.json", "reference_eval.json"};
  if (std::find(kFiles.begin(), kFiles.end(), becomes) != kFiles.end())
    return !std::filesystem::is_symlink(path) && is_regular_file(path);
  const size_t fresh = becomes.ends_with(kFresh) ? kFresh.size() : 0;
  return is_checkpoint(becomes.substr(0, becomes.size() - fresh));
}

// Steps of the checkpoints in a run, ascending.
std::vector<int64_t> checkpoint_steps(const std::string& run) {
  std::vector<int64_t> steps;
  for (const std::string& name : list_directory(run)) {
    if (const auto step = checkpoint_step(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

}  // namespace

std::string checkpoint_name(int64_t step) { return fmt::format("{}{:06}", kPrefix, step); }

std::optional<int64_t> checkpoint_step(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  const bool whole =
      error == std::errc() && end == digits.data() + digits.size() && digits[0] != '-';
  return whole ? std::optional(step) : std::nullopt;
}

std::string resolve_checkpoint(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string name = file.filename().string();
  if ((name != kBest && name != kLatest) || !is_regular_file(path)) return path;
  const std::string named = read_pointer(path);
  MINILLM_CHECK(!named.empty(), "'{}': expected the name of a checkpoint in it", path);
  return (file.parent_path() / named).string();
}

std::vector<std::string> checkpoints_to_try(const std::string& path) {
  std::vector<std::string> names;
  const std::string latest = read_pointer(join_path(path, kLatest));
  if (!latest.empty()) names.push_back(latest);
  std::vector<std::string> others;
  for (const std::string& name : list_directory(path)) {
    if (checkpoint_step(name) && name != latest) others.push_back(name);
  }
  std::sort(others.begin(), others.end(),
            [](const auto& a, const auto& b) { return checkpoint_step(a) > checkpoint_step(b); });
  names.insert(names.end(), others.begin(), others.end());
  return names;
}

bool is_in_run_directory(const std::string& checkpoint) {
  const std::filesystem::path path =
      std::filesystem::absolute(checkpoint + "/").lexically_normal().parent_path();
  const std::string run = path.parent_path().string();
  return checkpoint_step(path.filename().string()) &&
         (file_exists(join_path(run, kLatest)) || file_exists(join_path(run, kLock)));
}

RunDirectory::RunDirectory(std::string path) : path_(created(std::move(path))), lock_(path_) {
  put_back_replaced();
}

void RunDirectory::put_back_replaced() const {
  for (const std::string& name : list_directory(path_)) {
    if (!name.ends_with(kReplaced)) continue;
    const std::string leftover = join_path(path_, name);
    const std::string original = name.substr(0, name.size() - kReplaced.size());
    // The crash came before the new one took its place.
    if (checkpoint_step(original) && has_manifest(leftover) &&
        !file_exists(join_path(path_, original)))
      rename_durable(leftover, join_path(path_, original));
  }
}

void RunDirectory::remove_leftovers() const {
  for (const std::string& name : list_directory(path_))
    if (is_leftover(path_, name)) remove_all(join_path(path_, name));
}

bool RunDirectory::has_checkpoint() const {
  if (checkpoint_steps(path_).empty()) return false;
  Checkpoint::open(path_);
  return true;
}

void RunDirectory::save(const CheckpointContents& contents, int64_t keep_last) {
  lock_.expect_held();
  const int64_t step = contents.state.step;
  const std::string path = checkpoint_path(step);
  const std::string fresh = path + std::string(kFresh), replaced = path + std::string(kReplaced);
  const bool replaces = file_exists(path);
  const std::string& written = replaces ? fresh : path;
  if (replaces) remove_all(fresh);
  write_checkpoint(written, contents);
  try {
    verify_hashes(
        written,
        read_manifest(written));  // nothing older is touched before the new one is known to be good
  } catch (const Error&) {
    remove_all(written);
    throw;
  }
  if (replaces) {
    rename_durable(path, replaced);
    rename_durable(fresh, path);
  }
  write_file_atomic(join_path(path_, kLatest), checkpoint_name(step) + "\n");
  if (replaces) remove_all(replaced);
  rotate(step, keep_last);
}

void RunDirectory::rotate(int64_t newest_step, int64_t keep_last) const {
  const std::string best = read_pointer(join_path(path_, kBest));
  std::vector<int64_t> steps = checkpoint_steps(path_);
  // Later steps are left by a run that was rolled back; overwritten when it reaches those steps.
  std::erase_if(steps, [&](int64_t step) { return step > newest_step; });
  const auto kept = static_cast<size_t>(std::max<int64_t>(keep_last, 1));
  for (size_t i = 0; i + kept < steps.size(); ++i) {
    const std::string name = checkpoint_name(steps[i]);
    if (name == best || !has_manifest(join_path(path_, name))) continue;
    const std::string trash = join_path(path_, std::string(kTrash) + name);
    rename_durable(join_path(path_, name), trash);
    remove_all(trash);
  }
}

void RunDirectory::mark_best(int64_t step) {
  lock_.expect_held();
  write_file_atomic(join_path(path_, kBest), checkpoint_name(step) + "\n");
}

std::string RunDirectory::checkpoint_path(int64_t step) const {
  return join_path(path_, checkpoint_name(step));
}

std::string RunDirectory::metrics_path() const { return join_path(path_, "metrics.jsonl"); }

}  // namespace minillm
