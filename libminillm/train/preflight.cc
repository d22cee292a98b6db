#include "libminillm/train/preflight.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "libminillm/core/check.h"
#include "libminillm/dist/ordered_sum.h"
#include "libminillm/ops/attention.h"
#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/optim/optimizer.h"

namespace minillm {
namespace {

double percent(Index part, Index whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string megabytes(double bytes) { return fmt::format("{:.1f} MB", bytes / 1e6); }

// The number after `key` in a file of "key number" lines; for an empty key, the file's first
// number.
std::optional<double> number_in_file(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  double number = 0;
  if (key.empty()) return file >> number ? std::optional(number) : std::nullopt;
  while (file >> word) {
    if (word == key && file >> number) return number;
  }
  return std::nullopt;
}

// What a control group (a container) still leaves, given its files. Unused pages of the file cache
// count as used there, but are given back on demand.
std::optional<double> left_in_group(const std::string& limit_file, const std::string& used_file,
                                    const std::string& stat_file) {
  const auto limit = number_in_file(limit_file, "");  // "max" is no number
  const auto used = number_in_file(used_file, "");
  if (!limit || !used) return std::nullopt;
  return *limit - *used + number_in_file(stat_file, "inactive_file").value_or(0);
}

std::vector<ElementRange> all_of(const TensorTable& trained) { return {{0, trained.size()}}; }

double share_of(std::span<const ElementRange> own, const TensorTable& trained) {
  return static_cast<double>(elements_in(own)) / static_cast<double>(trained.size());
}

// Of an optimizer for some of the elements, as arrays of the size of all.
double moments_of(const TrainConfig& config, const TensorTable& trained,
                  std::span<const ElementRange> own) {
  const OptimizerRanges ranges = optimizer_ranges(trained, uses_muon(config));
  return 2 * share_of(common_ranges(own, ranges.adamw), trained) +
         share_of(common_ranges(own, ranges.muon), trained);
}

}  // namespace

std::string check_fresh_loss(double mean_loss, Index vocab_size) {
  const double expected = std::log(static_cast<double>(vocab_size));
  MINILLM_CHECK(std::isfinite(mean_loss),
                "initial loss: not finite: expected about ln V = {:.3f}, got {} (a smaller "
                "model.initializer_range may help)",
                expected, mean_loss);
  const bool near = std::abs(mean_loss - expected) <= 0.1 * expected;
  return fmt::format("{}initial loss {:.3f}, {} ln V = {:.3f}, which knowing nothing costs",
                     near ? "" : "warning: ", mean_loss, near ? "near" : "not near", expected);
}

std::string check_preference_start(double mean_loss, double expected) {
  MINILLM_CHECK(std::abs(mean_loss - expected) <= 1e-3 * expected,
                "initial preference loss: the model is not its own reference: expected {:.6f}, got "
                "{:.6f} (were the cached reference log-probabilities made by another model or from "
                "other data? delete them)",
                expected, mean_loss);
  return fmt::format("initial preference loss {:.6f}, as it must be: the model is its reference",
                     mean_loss);
}

std::string check_targets(Index sequences, Index empty, Index targets, Index tokens) {
  MINILLM_CHECK(targets > 0 && empty < sequences,
                "training data: no token carries loss: expected answers to learn from, got {} "
                "sequences without any (do they have assistant messages?)",
                empty);
  return fmt::format("{}{} of {} tokens ({:.1f} %) carry loss; {} of {} sequences have none",
                     empty > 0 ? "warning: " : "", targets, tokens, percent(targets, tokens), empty,
                     sequences);
}

std::string check_identical_pairs(Index identical, Index pairs) {
  MINILLM_CHECK(identical < pairs,
                "preference data: nothing to prefer: expected different answers, got {} pairs, all "
                "with chosen and rejected the same",
                pairs);
  return fmt::format("{}chosen and rejected are the same in {} of {} pairs ({:.1f} %)",
                     identical > 0 ? "warning: " : "", identical, pairs, percent(identical, pairs));
}

StepMemory step_memory(const TrainConfig& config, const TensorTable& trained, Index rank,
                       Index ranks) {
  const Index replicas = config.outer.replicas, slots = replicas > 0 ? replicas : config.slots;
  const std::vector<ElementRange> parts =
      optimizer_parts(trained, replicas == 0 && uses_muon(config));
  const std::vector<ElementRange> own = parts_of_rank(parts, rank, ranks);
  Index largest = 0;
  for (const ElementRange& part : parts) largest = std::max(largest, part.end - part.begin);
  StepMemory memory;
  memory.gradients = static_cast<double>(1 + buffers_of_rank(slots, rank, ranks));
  memory.moments = moments_of(config, trained, own);
  if (uses_muon(config)) memory.scratch = Muon::scratch_bytes(trained);
  if (ranks > 1) memory.staging = OrderedSum::staging_bytes(slots, ranks, largest);
  if (replicas > 0) {  // each with everything of its own; and where all began, and the momentum
    const auto count = static_cast<double>(slots_of_rank(slots, rank, ranks).count());
    memory.parameters += count + 1;
    memory.gradients += count;
    memory.moments = moments_of(config, trained, all_of(trained)) * count + share_of(own, trained);
  }
  return memory;
}

MemoryNeed memory_need(const ModelConfig& config, Index max_rows, Index max_targets,
                       double data_bytes, Workspace::Mode mode, const Adapter* adapter,
                       const StepMemory& step) {
  const double model = static_cast<double>(config.parameter_count()) * sizeof(Real);
  const double trained =
      adapter == nullptr ? model : static_cast<double>(adapter->parameters().size_bytes());
  const Index inner = adapter == nullptr ? 0 : adapter->inner_states();
  const double head = Workspace::head_bytes(config, max_targets, mode);
  // The widest activations as a factor, or the embedding.
  const double largest = static_cast<double>(
      std::max(max_rows * std::max(config.intermediate_size, config.hidden_size),
               config.vocab_size * config.hidden_size));
  return {.parameters = trained * step.parameters,
          .gradients = trained * step.gradients,
          .moments = trained * step.moments,
          .frozen = adapter == nullptr ? 0 : model,
          .activations = Workspace::bytes(config, max_rows, max_targets, mode, inner) - head,
          .head = head,
          .staging = step.staging,
          .packing = gemm_scratch_bytes(largest) + step.scratch +
                     attention_scratch_bytes(std::min(max_rows, config.max_position_embeddings),
                                             config.head_dim),
          .data = data_bytes};
}

std::optional<double> available_memory(const std::string& root) {
  const std::string group = root + "/sys/fs/cgroup/";
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](std::optional<double> bytes) {
    least = std::min(least, bytes.value_or(least));
  };

  if (const auto kilobytes = number_in_file(root + "/proc/meminfo", "MemAvailable:"))
    consider(*kilobytes * 1024);
  consider(left_in_group(group + "memory.max", group + "memory.current", group + "memory.stat"));
  consider(left_in_group(group + "memory/memory.limit_in_bytes",
                         group + "memory/memory.usage_in_bytes", group + "memory/memory.stat"));
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    consider(static_cast<double>(limit.rlim_cur));
  return std::isfinite(least) ? std::optional(std::max(0.0, least)) : std::nullopt;
}

void release_unused_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

double resident_memory(const std::string& root) {
  return number_in_file(root + "/proc/self/status", "VmRSS:").value_or(0) * 1024;
}

std::string memory_table(const MemoryNeed& need, std::optional<double> available) {
  std::string table = "memory of this run\n";
  const auto add = [&](const std::string& name, double bytes, const std::string& note) {
    table += fmt::format("  {:<12}{:>10}  {}\n", name, megabytes(bytes), note);
  };
  add("parameters", need.parameters, "model.*");
  add("gradients", need.gradients, "one per parameter, and again for each doubling of train.slots");
  add("moments", need.moments, "two per parameter, one where Muon moves it; divided among ranks");
  if (need.frozen > 0) add("frozen", need.frozen, "the model that the adapter is on");
  add("activations", need.activations,
      "train.batch_tokens; train.recompute = \"block\" keeps the blocks' inputs only");
  add("head", need.head, "one chunk of logits; model.vocab_size");
  if (need.staging > 0) add("staging", need.staging, "what travels between ranks, as it arrives");
  add("packing", need.packing, "what products work in, for every thread");
  add("evaluation", need.evaluation, "forward passes that teach nothing: held-out data, sampling");
  add("data", need.data, "token ids and batches");
  add("program", need.program, "code, libraries, tokenizer");
  add("total", need.total(), available ? "of " + megabytes(*available) + " available" : "");
  table.pop_back();
  return table;
}

double optimizer_arrays(const TrainConfig& config, const TensorTable& trained) {
  const auto replicas = static_cast<double>(config.outer.replicas);
  const double moments = moments_of(config, trained, all_of(trained));
  return replicas == 0 ? moments : moments * replicas + 1;  // and the outer momentum
}

DiskNeed disk_need(Index trained_parameters, int64_t keep_last, bool evaluated,
                   double optimizer_arrays) {
  constexpr double kSmallFiles = 1e6;  // tokenizer, configs, state, manifest
  return {.checkpoint =
              (1 + optimizer_arrays) * static_cast<double>(trained_parameters) * sizeof(Real) +
              kSmallFiles,
          .checkpoints = keep_last + 1 + (evaluated ? 1 : 0)};
}

std::string check_disk(const DiskNeed& need, int64_t existing, std::optional<uint64_t> available,
                       const std::string& directory) {
  const std::string item =
      fmt::format("{} checkpoints of {}", need.checkpoints, megabytes(need.checkpoint));
  if (!available) return fmt::format("disk: the run takes up to {}", item);
  const double missing =
      static_cast<double>(std::max<int64_t>(0, need.checkpoints - existing)) * need.checkpoint;
  const auto free = static_cast<double>(*available);
  MINILLM_CHECK_USAGE(missing <= free,
                      "disk: too little for this run in '{}': expected room for {}{}, {}, got {} "
                      "free (free some, make train.keep_last or the model smaller, or choose "
                      "another options.out)",
                      directory, item,
                      existing > 0 ? fmt::format(" ({} there already)", existing) : "",
                      megabytes(missing), megabytes(free));
  return fmt::format("disk: the run takes up to {} of the {} free", item, megabytes(free));
}

std::string check_memory(const MemoryNeed& need, std::optional<double> available) {
  const std::string items = fmt::format(
      "{} (parameters {}, gradients {}, moments {}{}, activations {}, data and program {})",
      megabytes(need.total()), megabytes(need.parameters), megabytes(need.gradients),
      megabytes(need.moments),
      need.frozen > 0 ? ", frozen " + megabytes(need.frozen) : std::string(),
      megabytes(need.activations + need.head + need.packing + need.evaluation),
      megabytes(need.data + need.program));
  if (!available) return fmt::format("memory: the run takes about {}", items);

  const bool batch_is_most = need.activations > need.total() / 2;
  MINILLM_CHECK_USAGE(
      need.total() <= 0.9 * *available,
      "memory: too little for this run: expected at most 90 % of the available {}, "
      "got {} (make {} smaller)",
      megabytes(*available), items,
      batch_is_most ? "train.batch_tokens, and train.accumulation_steps larger," : "the model");
  return fmt::format("memory: the run takes about {} of the available {}", items,
                     megabytes(*available));
}

}  // namespace minillm
