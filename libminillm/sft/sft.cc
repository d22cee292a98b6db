#include "libminillm/sft/sft.h"

#include <algorithm>
#include <iterator>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/sft_eval.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/stage/conversation_dataset.h"
#include "libminillm/train/preflight.h"

namespace minillm {

namespace {

// How much of the data carries loss; throws Error if nothing does.
std::string describe_targets(const std::vector<RenderedSequence>& sequences) {
  Index empty = 0, targets = 0, tokens = 0;
  for (const RenderedSequence& sequence : sequences) {
    const Index supervised = sequence.supervised_count();
    empty += supervised == 0;
    targets += supervised;
    tokens += static_cast<Index>(sequence.tokens.size());
  }
  return check_targets(static_cast<Index>(sequences.size()), empty, targets, tokens);
}

// The conversations, with as much text of the stage before as makes up its share.
RenderedConversations with_replay(RenderedConversations rows, const StageOptions& options,
                                  const SftConfig& config, const Tokenizer& tokenizer,
                                  Index max_positions, const TrainerEvents& events) {
  double tokens = 0;
  for (const RenderedSequence& row : rows.sequences)
    tokens += static_cast<double>(row.tokens.size());
  const double share = config.replay_share / (1 - config.replay_share);
  RenderedConversations text =
      load_replayed_text(options.replay_files, config.data.on_bad_record, tokenizer, max_positions,
                         static_cast<Index>(tokens * share), config.train.seed, events);
  std::ranges::move(text.sequences, std::back_inserter(rows.sequences));
  rows.hash = sha256(rows.hash + text.hash);
  return rows;
}

}  // namespace

void list_fields(ConfigFields& fields, SftConfig& config) {
  list_fields(fields, config.train);
  list_fields(fields, config.data);
  fields.add("sft.replay_share", config.replay_share,
             "share of the tokens that are replayed text, where --replay gives some");
}

TrainOutcome sft(SftConfig config, const StageOptions& options, const TrainerEvents& events) {
  config.train.validate();
  MINILLM_CHECK_USAGE(config.replay_share >= 0 && config.replay_share < 1,
                      "config: sft.replay_share: expected a number from 0 to below 1, got {}",
                      config.replay_share);
  RunDirectory run(options.out);
  check_run(options, run);
  StartingPoint start = open_starting_point(options);
  Model& model = start.model;
  model.set_precision(precision_of(config.train));
  const Tokenizer& tokenizer = start.tokenizer;
  const auto load = [&](const std::vector<std::string>& files) {
    return load_conversations(files, config.data.on_bad_record, tokenizer,
                              model.config().max_position_embeddings, events);
  };

  RenderedConversations train = load(options.train_files), held_out;
  const std::string targets_line = describe_targets(train.sequences);
  if (!options.replay_files.empty())
    train = with_replay(std::move(train), options, config, tokenizer,
                        model.config().max_position_embeddings, events);
  ConversationDataset dataset(std::move(train.sequences), config.train.batch_tokens,
                              config.train.seed);
  TrainingStage stage;
  ConfigFields fields;
  list_fields(fields, config);
  stage.provenance =
      make_provenance("sft", fields, config.train.seed, tokenizer, start.weights_hash);
  stage.provenance.hashes["template"] = tokenizer.chat_template()->id;
  stage.provenance.hashes["train"] = train.hash;
  stage.default_config = default_config_toml<SftConfig>();
  stage.ancestors = start.ancestors;
  Index held_out_rows = 0;
  if (!options.eval_files.empty()) {
    held_out = load(options.eval_files);
    for (const RenderedSequence& sequence : held_out.sequences)
      held_out_rows += std::ssize(sequence.tokens);
    stage.provenance.hashes["eval"] = held_out.hash;
    stage.evaluate = [&] {
      return prefixed("eval_", named_metrics(evaluate_sft(model, held_out.sequences,
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
  stage.sample = make_sampler(model, tokenizer, config.data, /*chat=*/true);
  const auto preflight = [&] { say(events, targets_line); };
  const Index steps = run_length(config.train, dataset.schedule().batches_in_first_epoch());
  return run_stage(options, config.train, steps, model, tokenizer, run, stage, preflight, events);
}

}  // namespace minillm
