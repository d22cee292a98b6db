// Preflight: what is checked before the first step, so that a run that cannot work says so at once.
//
// Each check returns one line in plain words, which starts with "warning: " where something is odd,
// and throws Error where the run would be pointless.

#ifndef LIBMINILLM_TRAIN_PREFLIGHT_H_
#define LIBMINILLM_TRAIN_PREFLIGHT_H_

#include <optional>
#include <string>

#include "libminillm/core/real.h"
#include "libminillm/nn/adapter.h"
#include "libminillm/nn/model_config.h"
#include "libminillm/nn/workspace.h"
#include "libminillm/train/train_config.h"

namespace minillm {

// A fresh model knows nothing: every token is equally likely, and the mean loss (in nats) is near
// ln V. Warns when it is off by more than 10 %. Throws Error if it is not finite.
std::string check_fresh_loss(double mean_loss, Index vocab_size);

// A model that has not moved from its reference prefers nothing: DPO's mean loss is ln 2, IPO's
// (1/(2 beta))^2. Throws Error if it is off by more than 0.1 %: then the reference is that of
// another model.
std::string check_preference_start(double mean_loss, double expected);

// Without targets nothing is learned. `empty` of `sequences` have none: warns if there are any,
// throws Error if all are empty.
std::string check_targets(Index sequences, Index empty, Index targets, Index tokens);

// `identical` of `pairs` have the same chosen and rejected answer: they teach nothing. Warns if
// there are any, throws Error if all are.
std::string check_identical_pairs(Index identical, Index pairs);

// Bytes that a run will take.
struct MemoryNeed {
  double parameters = 0, gradients = 0, moments = 0;  // of what is trained
  double frozen = 0;                                  // of the model, where an adapter is trained
  double activations = 0;                             // the training workspace without `head`
  double head = 0;                                    // one chunk of logits
  double staging = 0;                                 // what travels between ranks, as it arrives
  double packing = 0;     // panels of matrix products, keys and values: scratch of all threads
  double evaluation = 0;  // what held-out passes and sampling take beside the training workspace
  double data = 0;        // token ids, batches and other things the stage holds
  double program = 0;     // code, tokenizer, buffers: resident already, and none of the above
  double total() const {
    return parameters + gradients + moments + frozen + activations + head + staging + packing +
           evaluation + data + program;
  }
};
// What a step keeps, on one of some ranks: arrays of the size of what is trained, and bytes.
struct StepMemory {
  double parameters = 1, gradients = 1, moments = 2;  // arrays
  double staging = 0;                                 // bytes
  double scratch = 0;                                 // bytes, of an update's products
};
// REQUIRES a valid config, and no more ranks than it has slots or replicas for.
// `trained`: the tensors that are.
StepMemory step_memory(const TrainConfig& config, const TensorTable& trained, Index rank = 0,
                       Index ranks = 1);

// For batches of up to `max_rows` rows and `max_targets` targets. `adapter` is trained instead of
// the model; null: the model is. REQUIRES a valid config.
MemoryNeed memory_need(const ModelConfig& config, Index max_rows, Index max_targets,
                       double data_bytes, Workspace::Mode mode = Workspace::Mode::kTraining,
                       const Adapter* adapter = nullptr, const StepMemory& step = {});

// Bytes that this process may still take: the least of MemAvailable, the control group's limit and
// the limit of the address space; nothing where the system does not say. `root` goes before /proc
// and /sys (tests).
std::optional<double> available_memory(const std::string& root = "");

// Gives back to the system what the heap keeps of memory that is no longer in use, where it can: a
// stage's files take more while they are read than what is left of them.
void release_unused_memory();

// Bytes of this process in memory now; 0 where the system does not say.
double resident_memory(const std::string& root = "");

// One line per part of the need: what it is, how much, and what would make it smaller.
std::string memory_table(const MemoryNeed& need, std::optional<double> available);

// Says what the run takes. Throws Error (kUsage), with every item and what to make smaller, if that
// is more than 90 % of `available`.
std::string check_memory(const MemoryNeed& need, std::optional<double> available);

// Bytes on disk of a run's checkpoints: for each what is trained, its moments and its small files.
// `keep_last` are kept, plus the best one if the run is evaluated; the newest is written before
// the oldest goes.
struct DiskNeed {
  double checkpoint = 0;
  int64_t checkpoints = 0;
};
DiskNeed disk_need(Index trained_parameters, int64_t keep_last, bool evaluated,
                   double optimizer_arrays = 2);
// How many arrays of that size a checkpoint of the run's optimizer has.
double optimizer_arrays(const TrainConfig& config, const TensorTable& trained);

// Says what the run takes on the disk. Throws Error (kUsage), with every number and what to change,
// if that is more than `available`, given that `existing` of the checkpoints are there already.
std::string check_disk(const DiskNeed& need, int64_t existing, std::optional<uint64_t> available,
                       const std::string& directory);

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_PREFLIGHT_H_
