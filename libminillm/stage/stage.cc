#include "libminillm/stage/stage.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/version.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/batch_scorer.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "libminillm/train/preflight.h"

namespace minillm {

void list_fields(ConfigFields& fields, DataConfig& c) {
  fields.add("data.on_bad_record", c.on_bad_record,
             "\"error\": stop at the first bad record; \"skip\": count and report");
  fields.add("data.sample_prompts", c.sample_prompts,
             "prompts continued every train.sample_every steps");
  fields.add("data.sample_tokens", c.sample_tokens, "longest sample, in tokens");
}

StartingPoint open_starting_point(const StageOptions& options) {
  MINILLM_CHECK_USAGE(!options.init_from.empty(),
                      "--init-from: expected a checkpoint or run directory to start from");
  const Checkpoint checkpoint = Checkpoint::open(options.init_from);
  const auto& state = checkpoint.state();
  Tokenizer tokenizer = checkpoint.tokenizer();
  if (options.chat_template.empty())
    check_chat_template(taught_chat_template(state), tokenizer);
  else
    tokenizer = tokenizer.with_chat_template(chat_template_named(options.chat_template));
  return {checkpoint.load_model(), std::move(tokenizer),
          state ? state->lineage : std::vector<LineageEntry>(), checkpoint.weights_hash()};
}

LineageEntry make_provenance(const std::string& stage, const ConfigFields& config_fields,
                             uint64_t seed, const Tokenizer& tokenizer, const std::string& parent) {
  LineageEntry entry;
  entry.stage = stage;
  entry.library_version = kVersion;
  entry.config = config_to_toml(config_fields);
  entry.hashes["tokenizer"] = tokenizer.hash();
  entry.parent = parent;
  entry.seed = seed;
  return entry;
}

std::function<std::string()> make_sampler(const Model& model, const Tokenizer& tokenizer,
                                          const DataConfig& config, bool chat) {
  if (config.sample_prompts.empty()) return {};
  return [&model, &tokenizer, config, chat] {
    GenerationConfig generation;
    generation.sampling.temperature = 0;
    generation.max_tokens = config.sample_tokens;
    std::vector<std::vector<Token>> prompts;
    for (const std::string& prompt : config.sample_prompts)
      prompts.push_back(chat ? render_prompt(tokenizer, {{Role::kUser, prompt}})
                             : encode_raw_prompt(tokenizer, prompt));
    const auto answers = Generator(model, tokenizer).generate_all(prompts, generation);
    std::string text;
    for (size_t i = 0; i < answers.size(); ++i) {
      const std::string& answer = answers[i].text;
      text += chat ? fmt::format("{}\n  -> {}\n", config.sample_prompts[i],
                                 strip_template_space(answer))
                   : fmt::format("{}|{}\n", config.sample_prompts[i], answer);
    }
    return text;
  };
}

void check_run(const StageOptions& options, const RunDirectory& run) {
  MINILLM_CHECK_USAGE(!options.train_files.empty(), "--train: expected at least one file");
  MINILLM_CHECK_USAGE(
      options.resume || !run.has_checkpoint(),
      "run '{}': it already holds a run (--resume continues it; a new run needs another --out)",
      options.out);
}

Index run_length(const TrainConfig& config, Index micro_batches_per_epoch) {
  if (config.steps > 0) return config.steps;
  const double micro_batches = config.epochs * static_cast<double>(micro_batches_per_epoch);
  return std::max<Index>(1, static_cast<Index>(std::ceil(
                                micro_batches / static_cast<double>(config.accumulation_steps))));
}

Metrics prefixed(const std::string& prefix, const Metrics& metrics) {
  Metrics result = metrics;
  for (auto& [name, value] : result) name.insert(0, prefix);
  return result;
}

void report_datasets(const std::vector<DatasetReport>& reports, const TrainerEvents& events) {
  for (const DatasetReport& report : reports) {
    std::string line = fmt::format("{}: {}, {} of {} records used", report.path, report.format,
                                   report.used, report.rows);
    for (const auto& [reason, count] : report.dropped)
      line += fmt::format("; {} dropped: {}", count, reason);
    say(events, line);
  }
}

void check_fits(const StageOptions& options, const ModelConfig& config, const StageSizes& sizes,
                const TrainerEvents& events) {
  MemoryNeed need = memory_need(config, sizes.max_rows, sizes.max_targets,
                                static_cast<double>(sizes.data_bytes), sizes.mode);
  if (sizes.held_out_rows > 0) need.evaluation = evaluation_bytes(config, sizes.held_out_rows);
  need.program = std::max(0.0, resident_memory() - need.parameters - need.data);
  if (options.dry_run) say(events, memory_table(need, available_memory()));
  // What is resident already is no longer among what is available.
  need.program = 0;
  say(events, check_memory(need, available_memory()));
}

TrainOutcome run_stage(const StageOptions& options, const TrainConfig& config, Index steps,
                       Model& model, const Tokenizer& tokenizer, RunDirectory& run,
                       const TrainingStage& stage, const std::function<void()>& preflight,
                       const TrainerEvents& events) {
  const auto existing = static_cast<int64_t>(checkpoints_to_try(options.out).size());
  say(events, check_disk(disk_need(model.config(), config.keep_last, bool{stage.evaluate}),
                         existing, free_disk_bytes(options.out), options.out));
  if (options.dry_run) return TrainOutcome::kDryRun;
  Trainer trainer(config, steps, model, &tokenizer, &run);
  if (options.resume) trainer.resume(stage);
  if (trainer.step() == 0) preflight();
  return trainer.run(stage, events);
}

ProgressFunction progress_of(const TrainerEvents& events, const char* work) {
  if (!events.on_progress) return {};
  return [tell = events.on_progress, work](double done, double total) { tell(work, done, total); };
}

void say(const TrainerEvents& events, const std::string& message) {
  if (events.on_message) events.on_message(message);
}

}  // namespace minillm
