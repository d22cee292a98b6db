#include "libminillm/dpo/dpo.h"

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/dpo/dataset.h"
#include "libminillm/dpo/reference.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

// Mean change of a chosen answer's log-probability, in nats, below which the run warns.
constexpr double kChosenFallWarning = -5;

void validate(const DpoConfig& c) {
  c.train.validate();
  const auto non_negative = [](const char* key, double value) {
    MINILLM_CHECK_USAGE(value >= 0, "config: dpo.{}: expected 0 or more, got {}", key, value);
  };
  pair_loss_of(c.loss);
  non_negative("sft_weight", c.sft_weight);
  non_negative("replay_weight", c.replay_weight);
  non_negative("replay_tokens", static_cast<double>(c.replay_tokens));
}

// Pairs of some files with what the reference thinks of them.
struct ReferencedPairs {
  std::vector<RenderedPair> pairs;
  std::vector<PairLogProbs> reference;
  std::string hash;
};

// What share of the pairs teach nothing; throws Error if all do. The reader has left them out and
// counted them.
std::string describe_identical_pairs(const std::vector<DatasetReport>& reports) {
  Index identical = 0, pairs = 0;
  for (const DatasetReport& report : reports) {
    const auto dropped = report.dropped.find(kIdenticalAnswers);
    if (dropped != report.dropped.end()) identical += dropped->second;
    pairs += report.rows;
  }
  return check_identical_pairs(identical, pairs);
}

ReferencedPairs load_pairs(const std::vector<std::string>& files, const std::string& cache,
                           const DpoConfig& config, const StartingPoint& start,
                           const TrainerEvents& events) {
  const Dataset<PreferencePair> data =
      read_preferences(files, parse_bad_record_policy(config.data.on_bad_record));
  report_datasets(data.reports, events);
  say(events, describe_identical_pairs(data.reports));
  ReferencedPairs result{{}, {}, data.hash};
  for (const PreferencePair& pair : data.records)
    result.pairs.push_back(render_pair(start.tokenizer, pair));
  const Index longest = start.model.config().max_position_embeddings;
  const Index too_long = remove_too_long(result.pairs, longest);
  if (too_long > 0)
    say(events,
        fmt::format("{} of {} pairs are longer than the model's {} positions and are left out",
                    too_long, data.records.size(), longest));
  if (!pair_loss_of(config.loss).needs_reference) {
    result.reference.resize(result.pairs.size());
    return result;
  }
  const std::string key =
      reference_key(start.weights_hash, data.hash, start.tokenizer, config.train.precision);
  result.reference =
      reference_log_probs(cache, key, start.model, result.pairs, progress_of(events, "reference"));
  return result;
}

// Sums over pairs and replayed rows, for the log.
struct LossSums {
  PreferenceSums pairs;
  double replay_nll = 0, replay_tokens = 0;
};

// The preference term, the SFT term on the chosen answers, and the replayed rows, each a mean over
// the whole step: the Trainer divides by the step's pairs, so the other terms are scaled by pairs
// over their own count. Of targets [begin, end): whole pairs, then replayed ones.
Contribution combined_loss(std::span<Real> dlogp, std::span<const Real> logp,
                           const PreferenceBatch& batch, Index begin, Index end,
                           const StepTotals& totals, const PairLoss& pair, const DpoConfig& config,
                           LossSums& sums) {
  const auto items = batch.items_of(begin, end);
  Contribution loss = pair_loss(dlogp, logp, items, pair, config.loss, &sums.pairs);
  if (config.sft_weight > 0)
    loss += chosen_sft_loss(dlogp, logp, items,
                            config.sft_weight * totals.pairs / totals.chosen_tokens);
  const Index replayed = end - std::max(begin, batch.replay_begin);
  if (config.replay_weight > 0 && totals.replay_tokens > 0 && replayed > 0) {
    const auto part = [&](auto span) {
      return span.subspan(static_cast<size_t>(end - replayed), static_cast<size_t>(replayed));
    };
    const double scale = config.replay_weight * totals.pairs / totals.replay_tokens;
    const Contribution replay =
        next_token_loss(part(dlogp), part(logp), part(std::span(batch.tokens.targets)), scale);
    loss.loss += replay.loss;
    sums.replay_nll += replay.loss / scale;
    sums.replay_tokens += replay.weight;
  }
  return loss;
}

// The loss's parts. With the weights of the config, the first two make up the held-out loss, all
// three the loss that is trained.
Metrics training_metrics(const LossSums& sums) {
  Metrics metrics = named_metrics(sums.pairs);
  if (sums.replay_tokens > 0)
    metrics.emplace_back("replay_loss", sums.replay_nll / sums.replay_tokens);
  return metrics;
}

// The loss that is trained, of held-out pairs; replayed rows have no held-out part.
Metrics held_out_metrics(const PreferenceSums& sums, const DpoConfig& config) {
  const double nll = sums.chosen_nll / sums.chosen_tokens;
  Metrics metrics = {{"loss", sums.loss / sums.pairs + config.sft_weight * nll}};
  for (auto& metric : named_metrics(sums)) metrics.push_back(std::move(metric));
  return metrics;
}

}  // namespace

void list_fields(ConfigFields& fields, DpoConfig& c) {
  list_fields(fields, c.train);
  list_fields(fields, c.data);
  list_fields(fields, c.loss);
  fields.add("dpo.sft_weight", c.sft_weight,
             "weight of the SFT term on the chosen answers, a mean per token");
  fields.add("dpo.replay_weight", c.replay_weight,
             "weight of the replayed conversations, a mean per token");
  fields.add("dpo.replay_tokens", c.replay_tokens,
             "rows of replayed conversations in every micro-batch");
}

TrainOutcome dpo(DpoConfig config, const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  RunDirectory run(options.out);
  check_run(options, run);
  StartingPoint start = open_starting_point(options);
  Model& model = start.model;
  model.set_precision(precision_of(config.train));
  const Index longest = model.config().max_position_embeddings;

  ReferencedPairs train = load_pairs(
      options.train_files, join_path(options.out, "reference_train.json"), config, start, events);
  ReferencedPairs held_out;
  TrainingStage stage;
  ConfigFields fields;
  list_fields(fields, config);
  stage.provenance =
      make_provenance("dpo", fields, config.train.seed, start.tokenizer, start.weights_hash);
  stage.provenance.hashes["template"] = start.tokenizer.chat_template()->id;
  stage.provenance.hashes["train"] = train.hash;
  stage.ancestors = start.ancestors;
  Index held_out_rows = 0;
  if (!options.eval_files.empty()) {
    held_out = load_pairs(options.eval_files, join_path(options.out, "reference_eval.json"), config,
                          start, events);
    stage.provenance.hashes["eval"] = held_out.hash;
    for (const RenderedPair& pair : held_out.pairs)
      held_out_rows +=
          std::ssize(pair.prompt) + std::ssize(pair.chosen) + std::ssize(pair.rejected);
    stage.evaluate = [&] {
      const auto policy = pair_log_probs(model, held_out.pairs, progress_of(events, "evaluating"));
      return prefixed("eval_", held_out_metrics(evaluate_rewards(held_out.pairs, policy,
                                                                 held_out.reference, config.loss),
                                                config));
    };
  }
  std::optional<ConversationDataset> replay;
  if (!options.replay_files.empty() && config.replay_weight > 0 && config.replay_tokens > 0) {
    RenderedConversations rows = load_conversations(options.replay_files, config.data.on_bad_record,
                                                    start.tokenizer, longest, events);
    stage.provenance.hashes["replay"] = rows.hash;
    replay.emplace(std::move(rows.sequences), config.replay_tokens, config.train.seed);
  }
  if (!replay && config.sft_weight == 0)
    say(events,
        "warning: neither an SFT term (dpo.sft_weight) nor replayed rows (--replay): small models "
        "collapse "
        "this way while their preference accuracy stays perfect");

  PreferenceDataset dataset(std::move(train.pairs), std::move(train.reference), std::move(replay),
                            config.train.batch_tokens, config.train.seed);
  const Index accumulation = config.train.accumulation_steps;
  const Workspace::Mode mode = workspace_mode(config.train);
  check_fits(options, model.config(),
             {dataset.max_rows(), dataset.max_targets(), mode, dataset.bytes(), held_out_rows},
             events);
  Workspace workspace(model.config(), dataset.max_rows(), dataset.max_targets(), mode);
  const PairLoss& pair = pair_loss_of(config.loss);
  LossSums sums;
  stage.micro_step = [&](Index step, Index micro) {
    const PreferenceBatch& batch = dataset.batch(step * accumulation + micro);
    model.forward(batch.tokens, workspace);
    const auto dlogp = workspace.dlogp(batch.tokens.target_count());
    const StepTotals totals = dataset.totals(step * accumulation, (step + 1) * accumulation);
    Contribution loss;
    const auto gradient = [&](std::span<const Real> logp, Index begin, Index end) {
      loss += combined_loss(dlogp, logp, batch, begin, end, totals, pair, config, sums);
    };
    model.log_probs_and_backward(batch.tokens, dlogp, workspace, {batch.pair_ends, gradient});
    loss.tokens = batch.tokens.rows();
    return loss;
  };
  stage.take_step_metrics = [&] {
    const Metrics metrics = training_metrics(sums);
    const double shift = sums.pairs.chosen_shift / sums.pairs.pairs;
    if (shift < kChosenFallWarning)
      say(events,
          fmt::format(
              "warning: the chosen answers' log-probability fell by {:.1f} nats on average: the "
              "model is "
              "forgetting them (raise dpo.sft_weight, add --replay, or lower the learning rate)",
              -shift));
    sums = LossSums();
    return metrics;
  };
  stage.epoch = [&](Index step) { return dataset.schedule().epoch_at(step * accumulation); };
  stage.sample = make_sampler(model, start.tokenizer, config.data, /*chat=*/true);
  const auto preflight = [&] {
    const PreferenceBatch& batch = dataset.batch(0);
    model.forward(batch.tokens, workspace);
    const auto logp = model.log_probs(batch.tokens, workspace);
    if (!pair.needs_reference) return;  // then no value is known beforehand
    const auto dlogp = workspace.dlogp(batch.tokens.target_count());
    const Contribution sum = pair_loss(dlogp, logp, batch.items, pair, config.loss);
    say(events, check_preference_start(sum.loss / sum.weight, pair.at({}, config.loss).loss));
  };
  const Index steps = run_length(config.train, dataset.schedule().batches_in_first_epoch());
  return run_stage(options, config.train, steps, model, start.tokenizer, run, stage, preflight,
                   events);
}

}  // namespace minillm
