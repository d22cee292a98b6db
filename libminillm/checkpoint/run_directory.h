// RunDirectory: where a training run keeps its checkpoints.
//
//   RUN/checkpoint-000200/   checkpoints, named by their step
//   RUN/LATEST               text: the name of the newest one
//   RUN/best                 text: the name of the one with the lowest held-out loss
//   RUN/metrics.jsonl        the log
//   RUN/.lock                held while a process writes to the run

#ifndef LIBMINILLM_CHECKPOINT_RUN_DIRECTORY_H_
#define LIBMINILLM_CHECKPOINT_RUN_DIRECTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"  // CheckpointContents
#include "libminillm/core/file.h"              // RunLock

namespace minillm {

// For the one process that writes to the run. Readers use Checkpoint::open and need no lock.
//
// Invariant: from the first save on, there is a valid checkpoint at every moment, crash or not.
class RunDirectory {
 public:
  // Creates the directory if needed, and takes its lock (Error kLocked if another process has it).
  // A checkpoint that a crashed writer had put aside is put back; else nothing is touched.
  explicit RunDirectory(std::string path);
  // Removes what crashed writers have left: files and directories of the names that they have while
  // they are written, and only if their content shows that this library wrote them.
  void remove_leftovers() const;

  const std::string& path() const { return path_; }
  // Throws Error if there are checkpoints but none can be opened: no new run should overwrite them.
  bool has_checkpoint() const;
  // Writes checkpoint-<step> (replacing one of that name), verifies it, moves LATEST, and only
  // then, of the checkpoints up to this step, removes all but the newest `keep_last`; never the one
  // that `best` names, and no directory that this library did not write. If it throws Error, the
  // earlier checkpoints are untouched; it does so, too, if the directory is no longer the one that
  // was locked.
  void save(const CheckpointContents& contents, int64_t keep_last);
  // Records that the checkpoint of `step` is the best so far.
  void mark_best(int64_t step);
  std::string checkpoint_path(int64_t step) const;
  std::string metrics_path() const;

 private:
  void put_back_replaced() const;
  void rotate(int64_t newest_step, int64_t keep_last) const;

  std::string path_;
  RunLock lock_;
};

// The layout above, for reading.
std::string checkpoint_name(int64_t step);                      // "checkpoint-000200"
std::optional<int64_t> checkpoint_step(std::string_view name);  // of such a name, else nothing
// What is meant by the path of a checkpoint: RUN/best and RUN/LATEST are files that name one; every
// other path is itself.
std::string resolve_checkpoint(const std::string& path);
// Names of the checkpoints in the directory `path` in the order they should be tried: the one that
// LATEST names, then the others from the newest to the oldest.
std::vector<std::string> checkpoints_to_try(const std::string& path);
// Whether `checkpoint` is RUN/checkpoint-N of a run of this library.
bool is_in_run_directory(const std::string& checkpoint);

}  // namespace minillm

#endif  // LIBMINILLM_CHECKPOINT_RUN_DIRECTORY_H_
