#include "libminillm/stage/stage.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/chat.h"  // check_chat_template

namespace minillm {

void list_fields(ConfigFields& fields, DataConfig& c) {
  fields.add(
      "data.on_bad_record", c.on_bad_record,
      "\"error\": stop at the first bad record; \"skip\": leave bad ones out and report them");
  fields.add("data.columns", c.columns,
             "columns with names of their own: {prompt = \"frage\", completion = \"antwort\"}");
  fields.add("data.roles", c.roles, "roles with names of their own: {kunde = \"user\"}");
  fields.add("data.reasoning", c.reasoning,
             "what was thought before an answer: \"drop\", or \"think\": learned as <think>...");
  fields.add("data.sample_prompts", c.sample_prompts,
             "prompts to continue every train.sample_every steps");
  fields.add("data.sample_tokens", c.sample_tokens, "longest sample, in tokens");
}

RowMapping row_mapping(const DataConfig& config) {
  MINILLM_CHECK_USAGE(config.reasoning == "drop" || config.reasoning == "think",
                      "config: data.reasoning: expected 'drop' or 'think', got '{}'",
                      config.reasoning);
  RowMapping mapping{config.columns, config.roles, config.reasoning == "think"};
  check_row_mapping(mapping);
  return mapping;
}

StageModel open_starting_point(const StageOptions& options, Heads heads, Checkpoint::Use use) {
  MINILLM_CHECK_USAGE(!options.init_from.empty(),
                      "options.init_from: expected a checkpoint or run directory to start from");
  Checkpoint checkpoint = Checkpoint::open(options.init_from);
  if (!options.adapters.empty())
    checkpoint = checkpoint.with_adapters(options.adapters, options.force);
  const auto& state = checkpoint.state();
  Tokenizer tokenizer = checkpoint.tokenizer();
  if (options.chat_template.empty())
    check_chat_template(taught_chat_template(state), tokenizer);
  else
    tokenizer = tokenizer.with_chat_template(chat_template_named(options.chat_template));
  Model model = checkpoint.load_model(use);
  return {model.config().heads == heads ? std::move(model) : with_heads(model, heads),
          std::move(tokenizer),
          state ? state->lineage : std::vector<LineageEntry>(),
          checkpoint.weights_hash(),
          checkpoint.path(),
          checkpoint.warnings()};
}

Checkpoint::Use use_of_start(const TrainConfig& config) {
  if (!config.adapter.enabled()) return Checkpoint::Use::kAny;
  return config.frozen_weights == "int8" ? Checkpoint::Use::kFrozenInt8 : Checkpoint::Use::kFrozen;
}

StageModel copy_of(const StageModel& start) {
  return with_heads(start, start.model.config().heads);
}

StageModel with_heads(const StageModel& start, Heads heads) {
  return {with_heads(start.model, heads), start.tokenizer, start.lineage, start.weights_hash,
          start.path};
}

void report_message(const TrainerEvents& events, const std::string& message) {
  if (events.on_message) events.on_message(message);
}

void report_datasets(const std::vector<DatasetReport>& reports, const TrainerEvents& events) {
  for (const DatasetReport& report : reports) {
    std::string line = fmt::format("{}: {}{}, {} of {} records used", report.path, report.format,
                                   report.container.empty() ? "" : " (" + report.container + ")",
                                   report.used, report.rows);
    for (const auto& [reason, count] : report.dropped)
      line += fmt::format("; {} dropped: {}", count, reason);
    report_message(events, line);
    if (!report.unused_keys.empty()) {
      std::string keys;
      for (const auto& [key, rows] : report.unused_keys)
        keys += fmt::format("{}'{}' ({})", keys.empty() ? "" : ", ", key, rows);
      report_message(events, fmt::format("{}: keys that no record used: {}", report.path, keys));
    }
    for (const std::string& note : report.notes)
      report_message(events, fmt::format("{}: {}", report.path, note));
    for (const std::string& warning : report.warnings)
      report_message(events, fmt::format("warning: {}: {}", report.path, warning));
  }
}

}  // namespace minillm
