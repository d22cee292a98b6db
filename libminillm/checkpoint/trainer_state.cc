#include "libminillm/checkpoint/trainer_state.h"

#include <cmath>

#include "libminillm/checkpoint/run_directory.h"  // checkpoint_name
#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// What a run may have done: above it, numbers of batches and positions in the data would overflow.
constexpr int64_t kMaxSteps = int64_t{1} << 40, kMaxTokens = int64_t{1} << 61;

ordered_json to_json(const LineageEntry& entry) {
  ordered_json j;
  j["stage"] = entry.stage;
  j["library_version"] = entry.library_version;
  j["config"] = entry.config;
  j["hashes"] = entry.hashes;
  j["parent"] = entry.parent;
  j["seed"] = entry.seed;
  j["steps"] = entry.steps;
  j["tokens"] = entry.tokens;
  return j;
}

LineageEntry parse_lineage_entry(const JsonObject& object) {
  LineageEntry entry;
  entry.stage = object.string("stage");
  entry.library_version = object.string("library_version");
  entry.config = object.string("config");
  const JsonObject hashes = object.member("hashes");
  for (const auto& [name, value] : hashes.object().items())
    entry.hashes[name] = hashes.string(name.c_str());
  entry.parent = object.string("parent");
  entry.seed = object.unsigned_integer("seed");
  entry.steps = object.integer_in("steps", 0, kMaxSteps);
  entry.tokens = object.integer_in("tokens", 0, kMaxTokens);
  return entry;
}

}  // namespace

std::string trainer_state_to_json(const TrainerState& state) {
  // JSON has no NaN: a loss that is not finite was never the best one.
  ordered_json best_loss;
  if (state.best_eval_loss && std::isfinite(*state.best_eval_loss))
    best_loss = *state.best_eval_loss;

  ordered_json own;
  own["step"] = state.step;
  own["tokens"] = state.tokens;
  own["skipped_steps"] = state.skipped_steps;
  own["consecutive_skips"] = state.consecutive_skips;
  if (state.spike_window != SpikeWindow{} || state.rollbacks != 0 || state.batches_left_out != 0) {
    own["rollbacks"] = state.rollbacks;
    own["batches_left_out"] = state.batches_left_out;
    own["spike_losses"] = state.spike_window.losses;
    own["spike_grad_norms"] = state.spike_window.grad_norms;
  }
  if (!state.base_path.empty()) own["base_path"] = state.base_path;
  if (state.micro_batches != 0) own["micro_batches"] = state.micro_batches;
  own["metrics_offset"] = state.metrics_offset;
  own["best_eval_loss"] = best_loss;
  own["best_step"] = state.best_step;
  if (state.planned_steps != 0) own["planned_steps"] = state.planned_steps;
  if (state.stale_evaluations != 0) own["stale_evaluations"] = state.stale_evaluations;
  own["lineage"] = ordered_json::array();
  for (const LineageEntry& entry : state.lineage) own["lineage"].push_back(to_json(entry));

  ordered_json j;
  j["global_step"] = state.step;
  j["num_input_tokens_seen"] = state.tokens;
  j["best_metric"] = best_loss;
  j["best_model_checkpoint"] = nullptr;
  if (state.best_step >= 0) j["best_model_checkpoint"] = checkpoint_name(state.best_step);
  j["minillm"] = own;
  return j.dump(2) + "\n";
}

TrainerState parse_trainer_state(const std::string& text, const std::string& name) {
  const json parsed = parse_json(text, fmt::format("file '{}'", name));
  const JsonObject object = JsonObject(parsed, fmt::format("file '{}'", name)).member("minillm");
  TrainerState state;
  state.step = object.integer_in("step", 0, kMaxSteps);
  state.tokens = object.integer_in("tokens", 0, kMaxTokens);
  state.skipped_steps = object.integer_in("skipped_steps", 0, state.step);
  state.consecutive_skips = object.integer_in("consecutive_skips", 0, state.skipped_steps);
  if (object.find("spike_losses") != nullptr) {
    state.rollbacks = object.integer_in("rollbacks", 0, kMaxSteps);
    state.batches_left_out = object.integer_in("batches_left_out", 0, kMaxSteps);
    state.spike_window = {object.numbers("spike_losses"), object.numbers("spike_grad_norms")};
    MINILLM_CHECK(state.spike_window.losses.size() == state.spike_window.grad_norms.size(),
                  "{}: 'spike_grad_norms': expected as many numbers as 'spike_losses', {}, got {}",
                  object.subject(), state.spike_window.losses.size(),
                  state.spike_window.grad_norms.size());
  }
  state.base_path = object.string_or("base_path", "");
  if (object.find("micro_batches") != nullptr)
    state.micro_batches = object.integer_in("micro_batches", 0, kMaxTokens);
  state.metrics_offset = static_cast<uint64_t>(object.integer_in("metrics_offset", 0, kMaxTokens));
  if (object.find("best_eval_loss") != nullptr)
    state.best_eval_loss = object.number("best_eval_loss");
  state.best_step = object.integer_in("best_step", -1, state.step);
  if (object.find("planned_steps") != nullptr)
    state.planned_steps = object.integer_in("planned_steps", 0, kMaxSteps);
  if (object.find("stale_evaluations") != nullptr)
    state.stale_evaluations = object.integer_in("stale_evaluations", 0, kMaxSteps);
  for (const json& entry : object.array("lineage")) {
    state.lineage.push_back(parse_lineage_entry({entry, object.subject() + ": 'lineage'"}));
  }
  return state;
}

}  // namespace minillm
