#include "libminillm/lab/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <variant>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/constitution/constitution.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/generate/chat.h"
#include "libminillm/lab/lab_files.h"
#include "libminillm/lab/own_text.h"
#include "libminillm/stage/conversation_dataset.h"  // read_documents

namespace minillm::lab {
namespace {

constexpr const char kStories[] = "pretrain.jsonl", kReplay[] = "replay.jsonl";
constexpr Recipe kRecipes[] = {
    {"base", "pretrain", "world_pretrain.toml", "pretrain", kStories, nullptr, nullptr, false},
    {"fresh", "pretrain", "world_pretrain.toml", "pretrain", kStories, nullptr, nullptr, false},
    {"second", "pretrain", "world_pretrain.toml", "second", "second.jsonl", "pretrain", kStories,
     false},
    {"own", "pretrain", "world_pretrain.toml", "pretrain", kStories, nullptr, nullptr, false},
    {"sft", "sft", "world_sft.toml", "sft", "sft.jsonl", "pretrain", kStories, false},
    {"notes", "sft", "open_book_sft.toml", "sft", "sft.jsonl", "pretrain", kStories, false},
    {"dpo", "dpo", "world_dpo.toml", "preference", "preference.jsonl", "replay", kReplay, false},
    {"reward", "reward", "world_reward.toml", "preference", "preference.jsonl", nullptr, nullptr,
     false},
    {"rl", "rl", "world_rl.toml", "rl", "rl.jsonl", "replay", kReplay, true},
    // Its pairs are about what the stories tell of.
    {"constitution", "dpo", "world_dpo.toml", "pretrain", kStories, "replay", kReplay, true}};
constexpr const char* kPrinciple = "world_principle.toml";
constexpr int64_t kRequests = 500;  // of a constitution
constexpr uint64_t kSeedOfNextGeneration = 1000;

// Of the model that a pretraining's config describes.
int64_t vocab_size_of(const ConfigFields& fields) {
  const auto field = std::ranges::find(fields.all(), "model.vocab_size", &ConfigField::key);
  return *std::get<int64_t*>(field->value);
}

std::vector<std::string> settings_of(const Step& step, uint64_t seed, bool by_model) {
  // A model of a later generation begins from other weights.
  if (step.own) seed += kSeedOfNextGeneration * static_cast<uint64_t>(step.own->generation);
  std::vector<std::string> settings = {fmt::format("train.seed={}", seed)};
  // As good as no step: the learning rate is below what a weight can change by.
  if (step.name == "fresh") {
    settings.push_back("train.steps=1");
    settings.push_back("train.learning_rate=1e-30");
  }
  if (by_model) settings.push_back("rl.reward=model:1,world:0");
  settings.insert(settings.end(), step.settings.begin(), step.settings.end());
  return settings;
}

// Writes the pairs that a model makes by a principle, out of requests for what the stories tell of.
void write_constitutional_pairs(const PlannedStep& planned, const std::string& before,
                                const std::string& stories, const std::string& path,
                                const TrainerEvents& events) {
  std::vector<Prompt> requests =
      requests_about(*planned.principle, read_documents({stories}, BadRecordPolicy()).records);
  draw_requests(requests, planned.rows > 0 ? planned.rows : kRequests, planned.seed);
  const Checkpoint checkpoint = Checkpoint::open(before);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  check_chat_template(taught_chat_template(checkpoint.state()), tokenizer);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  ConstitutionConfig config;
  config.seed = planned.seed;
  const auto progress = [&](double done, double total) {
    if (events.stop_requested && events.stop_requested())
      throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
    if (events.on_progress) events.on_progress("judging", done, total);
  };
  const Constitution judged =
      apply_principle(model, model, tokenizer, *planned.principle, requests, config, progress);
  MINILLM_CHECK(!judged.pairs.empty(), "constitution: no pair is left of {} requests",
                requests.size());
  write_file_atomic(path, pairs_to_jsonl(*planned.principle, judged.pairs,
                                         {checkpoint.weights_hash(), checkpoint.weights_hash()}));
}

// What it is trained on.
std::string train_file(const PlannedStep& planned, const StepModels& models,
                       const std::string& directory, const LabData& data,
                       const TrainerEvents& events) {
  const Recipe& recipe = *planned.recipe;
  const std::string file = data.file(recipe.part, recipe.file, planned.dials, planned.seed);
  if (planned.principle) {
    const std::string pairs = join_path(directory, "pairs.jsonl");
    if (!file_exists(pairs))
      write_constitutional_pairs(planned, models.before, file, pairs, events);
    return pairs;
  }
  if (planned.own)
    return write_own_text(*planned.own, planned.seed, models.before, file, directory, events);
  return planned.rows > 0 ? LabData::first_rows(file, planned.rows) : file;
}

}  // namespace

PlannedStep plan_step(const Step& step, const world::WorldDials& dials, uint64_t seed,
                      bool by_model) {
  const Recipe& recipe = *std::ranges::find(kRecipes, std::string_view(step.name), &Recipe::step);
  PlannedStep planned = {
      &recipe, configure_stage(recipe.stage), seed, dials, {}, false, step.rows, nullptr, step.own};
  const ConfigFields& fields = planned.stage.fields;
  read_config_text(fields, lab_file(recipe.config), recipe.config);
  if (step.name == "constitution") {
    planned.principle = std::make_shared<Principle>();
    list_fields(planned.stage.fields, *planned.principle);
    read_config_text(fields, lab_file(kPrinciple), kPrinciple);
  }
  for (const std::string& setting : settings_of(step, seed, by_model))
    set_config_value(fields, setting);
  if (planned.principle) check_principle(*planned.principle, kPrinciple);

  const auto dials_of = [&](std::string_view part) {
    const bool stories = part == "pretrain" || part == "second";
    return stories ? dials_of_stories(dials) : dials_of_rows(dials);
  };
  planned.dials = dials_of(recipe.part);
  planned.replays = recipe.replay_part != nullptr && step.replay;
  if (planned.replays) planned.replay_dials = dials_of(recipe.replay_part);
  return planned;
}

TrainOutcome run_step(const PlannedStep& planned, const StepModels& models,
                      const std::string& directory, const LabData& data,
                      const TrainerEvents& events) {
  const Recipe& recipe = *planned.recipe;
  StageOptions options;
  options.train_files = {train_file(planned, models, directory, data, events)};
  if (std::string_view(recipe.step) == "notes")
    options.train_files.push_back(
        data.file("open_book", "open_book.jsonl", planned.dials, planned.seed));
  if (planned.replays)
    options.replay_files = {
        (recipe.plain_replay ? data.without_polite_facts() : data)
            .file(recipe.replay_part, recipe.replay_file, planned.replay_dials, planned.seed)};
  if (models.before.empty() || planned.own)
    options.tokenizer = data.tokenizer(planned.seed, vocab_size_of(planned.stage.fields));
  else
    options.init_from = models.before;
  if (!models.reward.empty())
    set_config_value(planned.stage.fields, "rl.reward_model=" + models.reward);
  options.out = join_path(directory, "run");
  options.resume = true;
  return planned.stage.run(options, events);
}

}  // namespace minillm::lab
