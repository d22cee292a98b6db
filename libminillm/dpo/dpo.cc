#include "libminillm/dpo/dpo.h"

#include <cmath>
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
  MINILLM_CHECK_USAGE(c.loss == "dpo" || c.loss == "ipo",
                      "config: dpo.loss: expected \"dpo\" or \"ipo\", got \"{}\"", c.loss);
  MINILLM_CHECK_USAGE(c.beta > 0, "config: dpo.beta: expected a number over 0, got {}", c.beta);
  MINILLM_CHECK_USAGE(c.label_smoothing >= 0 && c.label_smoothing < 0.5,
                      "config: dpo.label_smoothing: expected 0 to below 0.5, got {}",
                      c.label_smoothing);
  MINILLM_CHECK_USAGE(c.loss == "dpo" || c.label_smoothing == 0,
                      "config: dpo.label_smoothing: it applies to dpo.loss = \"dpo\" only");
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
  const std::string key =
      reference_key(start.weights_hash, data.hash, start.tokenizer, config.train.precision);
  result.reference =
      reference_log_probs(cache, key, start.model, result.pairs, progress_of(events, "reference"));
  return result;
}

Contribution preference_loss(std::span<Real> dlogp, std::span<const Real> logp,
                             std::span<const PreferenceItem> items, const DpoConfig& config,
                             PreferenceSums* sums) {
  return config.loss == "ipo"
             ? ipo_loss(dlogp, logp, items, config.beta, sums)
             : dpo_loss(dlogp, logp, items, config.beta, config.label_smoothing, sums);
}

// IPO's loss of held-out pairs, from their log-probabilities (objectives/preference.h).
double mean_ipo_loss(std::span<const PairLogProbs> policy, const ReferencedPairs& data,
                     double beta) {
  double sum = 0;
  for (size_t i = 0; i < policy.size(); ++i) {
    const RenderedPair& pair = data.pairs[i];
    const double chosen =
        (policy[i].chosen - data.reference[i].chosen) / static_cast<double>(pair.chosen.size());
    const double rejected = (policy[i].rejected - data.reference[i].rejected) /
                            static_cast<double>(pair.rejected.size());
    const double gap = chosen - rejected - 1 / (2 * beta);
    sum += gap * gap;
  }
  return sum / static_cast<double>(policy.size());
}

// The preference term, the SFT term on the chosen answers, and the replayed rows, each a mean over
// the whole step: the Trainer divides by the step's pairs, so the other terms are scaled by pairs
// over their own count. Of targets [begin, end): whole pairs, then replayed ones.
Contribution combined_loss(std::span<Real> dlogp, std::span<const Real> logp,
                           const PreferenceBatch& batch, Index begin, Index end,
                           const StepTotals& totals, const DpoConfig& config,
                           PreferenceSums& sums) {
  const auto items = batch.items_of(begin, end);
  Contribution loss = preference_loss(dlogp, logp, items, config, &sums);
  if (config.sft_weight > 0)
    loss += chosen_sft_loss(dlogp, logp, items,
                            config.sft_weight * totals.pairs / totals.chosen_tokens);
  const Index replayed = end - std::max(begin, batch.replay_begin);
  if (config.replay_weight > 0 && totals.replay_tokens > 0 && replayed > 0) {
    const auto part = [&](auto span) {
      return span.subspan(static_cast<size_t>(end - replayed), static_cast<size_t>(replayed));
    };
    loss.loss += next_token_loss(part(dlogp), part(logp), part(std::span(batch.tokens.targets)),
                                 config.replay_weight * totals.pairs / totals.replay_tokens)
                     .loss;
  }
  return loss;
}

// TRL's names, from sums over pairs.
Metrics preference_metrics(const PreferenceSums& s) {
  return {{"rewards/chosen", s.reward_chosen / s.pairs},
          {"rewards/rejected", s.reward_rejected / s.pairs},
          {"rewards/accuracies", s.accurate / s.pairs},
          {"rewards/margins", (s.reward_chosen - s.reward_rejected) / s.pairs},
          {"logps/chosen", s.logp_chosen / s.pairs},
          {"logps/rejected", s.logp_rejected / s.pairs},
          {"logps/chosen_shift", s.chosen_shift / s.pairs},
          {"nll_loss", s.chosen_nll / s.chosen_tokens}};
}

}  // namespace

void list_fields(ConfigFields& fields, DpoConfig& c) {
  list_fields(fields, c.train);
  list_fields(fields, c.data);
  fields.add("dpo.loss", c.loss, "\"dpo\" or \"ipo\"");
  fields.add("dpo.beta", c.beta, "how dear it is to leave the reference model");
  fields.add("dpo.label_smoothing", c.label_smoothing,
             "share of pairs assumed to be labelled the wrong way round");
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
  stage.default_config = default_config_toml<DpoConfig>();
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
      Metrics metrics = named_metrics(evaluate_rewards(policy, held_out.reference, config.beta));
      if (config.loss == "ipo")
        metrics.front().second = mean_ipo_loss(policy, held_out, config.beta);
      for (const auto& metric : named_metrics(evaluate_preferences(policy)))
        metrics.push_back(metric);
      return prefixed("eval_", metrics);
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
  PreferenceSums sums;
  stage.micro_step = [&](Index step, Index micro) {
    const PreferenceBatch& batch = dataset.batch(step * accumulation + micro);
    model.forward(batch.tokens, workspace);
    const auto dlogp = workspace.dlogp(batch.tokens.target_count());
    const StepTotals totals = dataset.totals(step * accumulation, (step + 1) * accumulation);
    Contribution loss;
    const auto gradient = [&](std::span<const Real> logp, Index begin, Index end) {
      loss += combined_loss(dlogp, logp, batch, begin, end, totals, config, sums);
    };
    model.log_probs_and_backward(batch.tokens, dlogp, workspace, {batch.pair_ends, gradient});
    loss.tokens = batch.tokens.rows();
    return loss;
  };
  stage.take_step_metrics = [&] {
    const Metrics metrics = preference_metrics(sums);
    if (sums.chosen_shift / sums.pairs < kChosenFallWarning)
      say(events,
          fmt::format(
              "warning: the chosen answers' log-probability fell by {:.1f} nats on average: the "
              "model is "
              "forgetting them (raise dpo.sft_weight, add --replay, or lower the learning rate)",
              -sums.chosen_shift / sums.pairs));
    sums = PreferenceSums();
    return metrics;
  };
  stage.epoch = [&](Index step) { return dataset.schedule().epoch_at(step * accumulation); };
  stage.sample = make_sampler(model, start.tokenizer, config.data, /*chat=*/true);
  const auto preflight = [&] {
    const PreferenceBatch& batch = dataset.batch(0);
    model.forward(batch.tokens, workspace);
    const auto logp = model.log_probs(batch.tokens, workspace);
    const Contribution loss = preference_loss(workspace.dlogp(batch.tokens.target_count()), logp,
                                              batch.items, config, nullptr);
    const double expected =
        config.loss == "ipo" ? 1 / (4 * config.beta * config.beta) : std::log(2.0);
    say(events, check_preference_start(loss.loss / loss.weight, expected));
  };
  const Index steps = run_length(config.train, dataset.schedule().batches_in_first_epoch());
  return run_stage(options, config.train, steps, model, start.tokenizer, run, stage, preflight,
                   events);
}

}  // namespace minillm
