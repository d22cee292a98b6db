#include "libminillm/lab/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <variant>
#include <vector>

#include "libminillm/core/file.h"
#include "libminillm/lab/lab_files.h"

namespace minillm::lab {
namespace {

constexpr Recipe kRecipes[] = {
    {"base", "pretrain", "world_pretrain.toml", "pretrain", "pretrain.jsonl", nullptr, nullptr},
    {"fresh", "pretrain", "world_pretrain.toml", "pretrain", "pretrain.jsonl", nullptr, nullptr},
    {"second", "pretrain", "world_pretrain.toml", "second", "second.jsonl", "pretrain",
     "pretrain.jsonl"},
    {"sft", "sft", "world_sft.toml", "sft", "sft.jsonl", "pretrain", "pretrain.jsonl"},
    {"dpo", "dpo", "world_dpo.toml", "preference", "preference.jsonl", "replay", "replay.jsonl"}};

// Of the model that a pretraining's config describes.
int64_t vocab_size_of(const ConfigFields& fields) {
  const auto field = std::ranges::find(fields.all(), "model.vocab_size", &ConfigField::key);
  return *std::get<int64_t*>(field->value);
}

std::vector<std::string> settings_of(const Step& step, uint64_t seed) {
  std::vector<std::string> settings = {fmt::format("train.seed={}", seed)};
  // As good as no step: the learning rate is below what a weight can change by.
  if (step.name == "fresh") {
    settings.push_back("train.steps=1");
    settings.push_back("train.learning_rate=1e-30");
  }
  settings.insert(settings.end(), step.settings.begin(), step.settings.end());
  return settings;
}

}  // namespace

PlannedStep plan_step(const Step& step, const world::WorldDials& dials, uint64_t seed) {
  const Recipe& recipe = *std::ranges::find(kRecipes, std::string_view(step.name), &Recipe::step);
  PlannedStep planned = {&recipe, configure_stage(recipe.stage), seed, dials, {}, false};
  read_config_text(planned.stage.fields, lab_file(recipe.config), recipe.config);
  for (const std::string& setting : settings_of(step, seed))
    set_config_value(planned.stage.fields, setting);
  const world::WorldDials of_stories = dials_of_stories(dials);
  const bool of_rows = step.name == "sft" || step.name == "dpo";
  planned.dials = of_rows ? dials_of_rows(dials) : of_stories;
  planned.replays = recipe.replay_part != nullptr && step.replay;
  if (planned.replays)
    planned.replay_dials =
        std::string_view(recipe.replay_part) == "replay" ? planned.dials : of_stories;
  return planned;
}

TrainOutcome run_step(const PlannedStep& planned, const std::string& before,
                      const std::string& directory, const LabData& data,
                      const TrainerEvents& events) {
  const Recipe& recipe = *planned.recipe;
  StageOptions options;
  options.train_files = {data.file(recipe.part, recipe.file, planned.dials, planned.seed)};
  if (planned.replays)
    options.replay_files = {
        data.file(recipe.replay_part, recipe.replay_file, planned.replay_dials, planned.seed)};
  if (before.empty())
    options.tokenizer = data.tokenizer(planned.seed, vocab_size_of(planned.stage.fields));
  else
    options.init_from = before;
  options.out = join_path(directory, "run");
  options.resume = true;
  return planned.stage.run(options, events);
}

}  // namespace minillm::lab
