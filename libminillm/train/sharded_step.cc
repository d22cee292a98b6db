#include "libminillm/train/sharded_step.h"

#include <fmt/format.h>

#include "libminillm/nn/model.h"
#include "libminillm/train/step_sums.h"

namespace minillm {
namespace {

// Where the parameters of each part of a pass (pass_events.h) begin, and end.
std::vector<Index> part_begins(const TensorTable& table, Index layers) {
  std::vector<Index> begins = {0};
  const auto add = [&](const std::string& name) { begins.push_back(table.find(name)->offset); };
  for (Index l = 0; l < layers; ++l) {
    add(fmt::format("model.layers.{}.input_layernorm.weight", l));
    add(fmt::format("model.layers.{}.post_attention_layernorm.weight", l));
  }
  add("model.norm.weight");
  begins.push_back(table.size());
  return begins;
}

}  // namespace

ShardedStep::ShardedStep(const TrainingTask& task, const TrainConfig& config, Communicator* ranks)
    : task_(task),
      trainable_(task.trainable),
      slots_(config.slots),
      max_grad_norm_(config.max_grad_norm),
      ranks_(ranks),
      sum_(trainable_.gradients, optimizer_parts(*trainable_.tensors, uses_muon(config)), slots_,
           ranks),
      optimizer_(*trainable_.tensors, optimizer_config(config), trainable_.frozen,
                 sum_.own_parts()) {
  if (count_of(ranks) > 1 && trainable_.blocks != nullptr && task.one_backward)
    watch_blocks(*trainable_.blocks);
}

ShardedStep::~ShardedStep() {
  if (!part_begins_.empty()) trainable_.blocks->watch_passes(nullptr);
}

void ShardedStep::watch_blocks(Model& model) {
  part_begins_ = part_begins(model.tensors(), model.config().num_hidden_layers);
  // Part p's parameters: [begins[p + 1], begins[p + 2]).
  events_.before_forward = [this](Index part) {
    sum_.wait_for(part_begins_[static_cast<size_t>(part + 2)]);
  };
  events_.after_backward = [this](Index part) {
    if (last_pass_) sum_.finish(part_begins_[static_cast<size_t>(part + 1)]);
  };
  model.watch_passes(&events_);
}

Contribution ShardedStep::add_gradients(Index count,
                                        const std::function<Contribution(Index i)>& micro_step) {
  Contribution total;
  if (slots_ == 1) {  // everything in place
    sum_.run([&](Index) {
      for (Index i = 0; i < count; ++i) total += micro_step(i);
    });
  } else {
    StepSums sums(task_.sums);
    sum_.run([&](Index slot) {
      const Slots own = GradientSum::micro_batches_of(slot, slots_, count);
      for (Index i = own.begin; i < own.end; ++i) {
        last_pass_ = slot + 1 == sum_.own_slots().end && i + 1 == own.end;
        sums.add([&] { return micro_step(i); });
        last_pass_ = false;
      }
    });
    total = sums.join(ranks_, micro_batches_by_rank(count, slots_, ranks_));
  }
  clear_frozen(trainable_);
  return total;
}

double ShardedStep::mean_gradient_norm(double weight) { return mean_norm_ = sum_.norm() / weight; }

void ShardedStep::update(double weight, double learning_rate, Index update) {
  optimizer_.update(trainable_.parameters, trainable_.gradients,
                    clip_factor(max_grad_norm_, mean_norm_) / weight, learning_rate, update);
  sum_.begin_gather(trainable_.parameters);
  if (part_begins_.empty()) settle();
}

OptimizerState ShardedStep::state() {
  OptimizerState arrays;
  for (OwnMoments& moments : own_moments(optimizer_))
    arrays.push_back(sum_.array_of_parts(moments.prefix, moments.values, std::move(moments.of)));
  return arrays;
}

}  // namespace minillm
