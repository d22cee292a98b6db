#include "libminillm/pretrain/pretrain.h"

#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/pretrain/dataset.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

// The tokenizer of a run from scratch: the given one, the one this run has already made, or a new
// one trained on the training files.
Tokenizer tokenizer_from_scratch(const PretrainConfig& config, const StageOptions& options,
                                 const std::string& tokenizer_path, const TrainerEvents& events) {
  if (!tokenizer_path.empty()) return Tokenizer::load(tokenizer_path);
  const std::string own = join_path(options.out, "tokenizer.model");
  if (!file_exists(own)) {
    say(events, fmt::format("training a tokenizer of {} pieces on the training files",
                            config.model.vocab_size));
    std::vector<std::string> documents;
    for_each_document(options.train_files, parse_document_split(config.document_split),
                      parse_bad_record_policy(config.data.on_bad_record),
                      [&](std::string_view document) { documents.emplace_back(document); });
    auto next = documents.begin();
    const TextSource source = [&](std::string& text) {
      if (next == documents.end()) return false;
      text = std::move(*next++);
      return true;
    };
    write_file_atomic(own, train_tokenizer(source, {.vocab_size = config.model.vocab_size}));
  }
  return Tokenizer::load(own);
}

StartingPoint start_from_scratch(const PretrainConfig& config, const StageOptions& options,
                                 const std::string& tokenizer_path, const TrainerEvents& events) {
  Tokenizer tokenizer = tokenizer_from_scratch(config, options, tokenizer_path, events);
  ModelConfig model_config = config.model;
  model_config.vocab_size = tokenizer.vocab_size();
  Model model(model_config);
  model.initialize(config.train.seed);
  return {std::move(model), std::move(tokenizer), {}, ""};
}

// The files as token ids, tokenized once and kept beside the run.
TokenShard open_shard(const std::string& path, const std::vector<std::string>& files,
                      const PretrainConfig& config, const Tokenizer& tokenizer,
                      const TrainerEvents& events) {
  const DocumentSplit split = parse_document_split(config.document_split);
  if (file_exists(path)) {
    TokenShard shard = TokenShard::open(path, tokenizer.vocab_size());
    if (shard.source_hash() == shard_source_hash(files, split, tokenizer)) return shard;
  }
  const ShardReport report =
      write_token_shard(path, files, split, parse_bad_record_policy(config.data.on_bad_record),
                        tokenizer, progress_of(events, "tokenizing"));
  report_datasets(report.files, events);
  say(events,
      fmt::format("{}: {} documents, {} tokens, {:.2f} bytes per token", path, report.documents,
                  report.tokens,
                  static_cast<double>(report.text_bytes) / static_cast<double>(report.tokens)));
  return TokenShard::open(path, tokenizer.vocab_size());
}

}  // namespace

void list_fields(ConfigFields& fields, PretrainConfig& config) {
  list_fields(fields, config.model);
  list_fields(fields, config.train);
  list_fields(fields, config.data);
  fields.add("data.document_split", config.document_split,
             "what ends a document in a .txt file: \"blank_line\", \"line\" or \"file\"");
  fields.add("data.max_length", config.max_length,
             "longest window of a document, in tokens; 0 = model.max_position_embeddings");
}

TrainOutcome pretrain(PretrainConfig config, const StageOptions& options,
                      const std::string& tokenizer_path, const TrainerEvents& events) {
  config.train.validate();
  MINILLM_CHECK_USAGE(options.init_from.empty() || tokenizer_path.empty(),
                      "--tokenizer '{}': a checkpoint brings its own tokenizer (leave out "
                      "--tokenizer or --init-from)",
                      tokenizer_path);
  RunDirectory run(options.out);
  check_run(options, run);
  StartingPoint start = options.init_from.empty()
                            ? start_from_scratch(config, options, tokenizer_path, events)
                            : open_starting_point(options);
  Model& model = start.model;
  model.set_precision(precision_of(config.train));
  const Tokenizer& tokenizer = start.tokenizer;
  config.model = model.config();
  const Index longest = config.max_length > 0
                            ? std::min(config.max_length, config.model.max_position_embeddings)
                            : config.model.max_position_embeddings;

  PretrainDataset dataset(open_shard(join_path(options.out, "train.tokens"), options.train_files,
                                     config, tokenizer, events),
                          longest, config.train.batch_tokens, config.train.seed);
  std::optional<EvaluationText> held_out;
  Index held_out_rows = 0;
  TrainingStage stage;
  ConfigFields fields;
  list_fields(fields, config);
  stage.provenance =
      make_provenance("pretrain", fields, config.train.seed, tokenizer, start.weights_hash);
  stage.default_config = default_config_toml<PretrainConfig>();
  stage.ancestors = start.ancestors;
  stage.provenance.hashes["train"] = dataset.shard().source_hash();
  if (!options.eval_files.empty()) {
    const TokenShard shard = open_shard(join_path(options.out, "eval.tokens"), options.eval_files,
                                        config, tokenizer, events);
    stage.provenance.hashes["eval"] = shard.source_hash();
    held_out = make_evaluation_text(shard, longest);
    for (const std::vector<Token>& window : held_out->windows) held_out_rows += std::ssize(window);
    stage.evaluate = [&] {
      return prefixed("eval_", named_metrics(evaluate_text(model, *held_out, tokenizer.eos(),
                                                           progress_of(events, "evaluating"))));
    };
  }

  const Index accumulation = config.train.accumulation_steps;
  const Index max_rows = dataset.schedule().max_rows();
  const Workspace::Mode mode = workspace_mode(config.train);
  check_fits(options, model.config(), {max_rows, max_rows, mode, dataset.bytes(), held_out_rows},
             events);
  Workspace workspace(model.config(), max_rows, max_rows, mode);
  stage.micro_step = [&](Index step, Index micro) {
    const TokenBatch& batch = dataset.batch(step * accumulation + micro);
    model.forward(batch, workspace);
    const auto dlogp = workspace.dlogp(batch.target_count());
    next_token_gradient(dlogp, batch.targets);
    const auto logp = model.log_probs_and_backward(batch, dlogp, workspace);
    Contribution loss = next_token_loss(logp, batch.targets);
    loss.tokens = batch.rows();
    return loss;
  };
  stage.epoch = [&](Index step) { return dataset.schedule().epoch_at(step * accumulation); };
  stage.sample = make_sampler(model, tokenizer, config.data, /*chat=*/false);
  const auto preflight = [&] {
    if (!start.weights_hash.empty()) return;  // only a fresh model must know nothing
    const TokenBatch& batch = dataset.batch(0);
    model.forward(batch, workspace);
    const Contribution loss = next_token_loss(model.log_probs(batch, workspace), batch.targets);
    say(events, check_fresh_loss(loss.loss / loss.weight, model.config().vocab_size));
  };
  const Index steps = run_length(config.train, dataset.schedule().batches_in_first_epoch());
  return run_stage(options, config.train, steps, model, tokenizer, run, stage, preflight, events);
}

}  // namespace minillm
