#include "libminillm/dpo/dpo.h"

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/dpo/dataset.h"
#include "libminillm/dpo/referenced_pairs.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/stage/rendered_pairs.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

// Mean change of a chosen answer's log-probability, in nats, below which the run warns.
constexpr double kChosenFallWarning = -5;

void validate(const DpoConfig& c) {
  const auto non_negative = [](const char* key, double value) {
    MINILLM_CHECK_USAGE(value >= 0, "config: dpo.{}: expected 0 or more, got {}", key, value);
  };
  pair_loss_of(c.loss);
  non_negative("sft_weight", c.sft_weight);
  non_negative("replay_weight", c.replay_weight);
  expect_in_range("dpo.replay_tokens", c.replay_tokens, 0, kMaxConfigCount);
}

// The loss that is trained: the preference term, the SFT term on the chosen answers, and the
// replayed rows, each a mean over the whole step.
class CombinedLoss {
 public:
  explicit CombinedLoss(const DpoConfig& config) : c_(config), pair_(pair_loss_of(config.loss)) {}

  // How far the policy has moved (dpo/mismatched.h), of the step that begins.
  void set_moved(double moved) {
    moved_ = moved;
    moved_sum_ += moved;
    ++steps_;
  }

  // Of targets [begin, end): whole pairs, then replayed ones. The Trainer divides by the step's
  // pairs, so the other terms are scaled by pairs over their own count.
  Contribution add(std::span<Real> dlogp, std::span<const Real> logp, const PreferenceBatch& batch,
                   Index begin, Index end, const StepTotals& totals) {
    const auto items = batch.items_of(begin, end);
    Contribution loss = pair_loss(dlogp, logp, items, pair_, c_.loss, &sums_, moved_);
    if (c_.sft_weight > 0)
      loss +=
          chosen_sft_loss(dlogp, logp, items, c_.sft_weight * totals.pairs / totals.chosen_tokens);
    const Index replayed = end - std::max(begin, batch.replay_begin);
    if (c_.replay_weight > 0 && totals.replay_tokens > 0 && replayed > 0) {
      const auto part = [&](auto span) {
        return span.subspan(static_cast<size_t>(end - replayed), static_cast<size_t>(replayed));
      };
      const double scale = c_.replay_weight * totals.pairs / totals.replay_tokens;
      const Contribution replay =
          next_token_loss(part(dlogp), part(logp), part(std::span(batch.tokens.targets)), scale);
      loss.loss += replay.loss;
      replay_nll_ += replay.loss / scale;
      replay_tokens_ += replay.weight;
    }
    return loss;
  }

  // What add() adds to; of how far the policy has moved there is one number a step.
  std::vector<StageSum> sums() {
    std::vector<double*> all = sums_.all();
    all.insert(all.end(), {&replay_nll_, &replay_tokens_});
    return {all.begin(), all.end()};
  }
  // Means since the last call.
  Metrics take_metrics() {
    Metrics metrics = named_metrics(sums_);
    if (replay_tokens_ > 0) metrics.emplace_back("replay_loss", replay_nll_ / replay_tokens_);
    if (pair_.judges_single_answers) metrics.emplace_back("kl", moved_sum_ / steps_);
    sums_ = {};
    moved_sum_ = steps_ = 0;
    replay_nll_ = replay_tokens_ = 0;
    return metrics;
  }

  // By the same loss; replayed rows have no held-out part.
  Metrics held_out_metrics(const ReferencedPairs& data, const Model& policy,
                           const Scoring& scoring) const {
    const double moved =
        pair_.judges_single_answers
            ? data.mismatched.moved(pair_log_probs(policy, data.mismatched.pairs(),
                                                   {ProgressFunction(), scoring.ranks}))
            : 0;
    const PreferenceSums sums = evaluate_rewards(
        data.pairs, pair_log_probs(policy, data.pairs, scoring), data.reference, c_.loss, moved);
    const double nll = sums.chosen_nll / sums.chosen_tokens;
    Metrics metrics = {{"loss", sums.loss / sums.pairs + c_.sft_weight * nll}};
    for (auto& metric : named_metrics(sums)) metrics.push_back(std::move(metric));
    if (pair_.judges_single_answers) metrics.emplace_back("kl", moved);
    return metrics;
  }

  // The model as it starts, on a batch.
  std::string check_start(const PreferenceBatch& batch, std::span<const Real> logp) const {
    std::vector<Real> dlogp(logp.size());  // not asked for
    const Contribution sum = pair_loss(dlogp, logp, batch.items, pair_, c_.loss);
    double unmoved = 0;
    for (const PreferenceItem& item : batch.items) {
      const PairTargets& t = item.targets;
      PairValues values;
      values.chosen_tokens = static_cast<double>(t.chosen_end - t.chosen_begin);
      values.rejected_tokens = static_cast<double>(t.rejected_end - t.rejected_begin);
      unmoved += pair_.at(values, c_.loss).loss;
    }
    return check_preference_start(sum.loss / sum.weight, unmoved / sum.weight);
  }

 private:
  const DpoConfig& c_;
  const PairLoss& pair_;
  PreferenceSums sums_;
  double replay_nll_ = 0, replay_tokens_ = 0;
  double moved_ = 0, moved_sum_ = 0, steps_ = 0;
};

bool replays(const DpoConfig& c) { return c.replay_weight > 0 && c.replay_tokens > 0; }

std::optional<ConversationDataset> replayed(StageRun& run, Dataset<Conversation> data,
                                            const DpoConfig& config) {
  if (data.records.empty() || !replays(config)) {
    if (config.sft_weight == 0)
      run.say(
          "warning: neither an SFT term (dpo.sft_weight) nor replayed rows (options.replay_files): "
          "small models collapse this way while their preference accuracy stays perfect");
    return std::nullopt;
  }
  RenderedConversations rows =
      render_conversations(data, run.tokenizer(), run.longest(), run.events());
  run.depends_on("replay", rows.hash);
  return std::make_optional<ConversationDataset>(std::move(rows.sequences), config.replay_tokens,
                                                 config.train.seed, run.model().virtual_tokens());
}

void warn_if_forgetting(const StageRun& run, const Metrics& metrics) {
  const auto shift = std::ranges::find(metrics, "logps/chosen_shift", &Metrics::value_type::first);
  if (shift->second < kChosenFallWarning)
    run.say(fmt::format(
        "warning: the chosen answers' log-probability fell by {:.1f} nats on average: the model is "
        "forgetting them (raise dpo.sft_weight, replay conversations, or lower the learning rate)",
        -shift->second));
}

TrainOutcome train(const DpoConfig& config, StageRun& run, DpoData data) {
  run.warn_of_shared(count_shared(data.train.records, data.held_out.records),
                     std::ssize(data.held_out.records));
  CombinedLoss loss(config);
  const PairLoss& pair = pair_loss_of(config.loss);
  ReferencedPairs train = refer(run, std::move(data.train), "train", pair, config.train);
  ReferencedPairs held_out;
  run.depends_on("template", run.tokenizer().chat_template()->id);
  run.depends_on("train", train.hash);
  if (!data.held_out.records.empty()) {
    held_out = refer(run, std::move(data.held_out), "eval", pair, config.train);
    run.evaluate_on(held_out.hash, count_tokens(held_out.pairs), [&] {
      return loss.held_out_metrics(held_out, run.model(), run.scoring("evaluating"));
    });
  }
  PreferenceDataset dataset(std::move(train.pairs), std::move(train.reference),
                            replayed(run, std::move(data.replay), config),
                            config.train.batch_tokens, config.train.seed,
                            run.model().virtual_tokens());
  MismatchedAnswers& mismatched = train.mismatched;
  run.plan(dataset.schedule(), {std::max(dataset.max_rows(), mismatched.max_rows()),
                                std::max(dataset.max_targets(), mismatched.max_rows()),
                                dataset.bytes() + mismatched.bytes()});
  Model& model = run.model();
  Workspace& workspace = run.workspace();

  StageTask task;
  task.one_backward = true;
  StepTotals totals;
  task.begin_step = [&](Index begin, Index end) {
    totals = dataset.totals(begin, end);
    if (pair.judges_single_answers)
      loss.set_moved(mismatched.moved(model, dataset.pairs(begin, end), workspace));
  };
  task.micro_step = [&](Index i) {
    const PreferenceBatch& batch = dataset.batch(i);
    model.forward(batch.tokens, workspace);
    Contribution sum;
    for (HeadPass head = model.head_pass(batch.tokens, workspace, batch.pair_ends); head.next();)
      sum += loss.add(head.dlogp(), head.logp(), batch, head.begin(), head.end(), totals);
    model.backward(batch.tokens, workspace);
    sum.tokens = batch.tokens.rows();
    return sum;
  };
  task.sums = loss.sums();
  task.take_step_metrics = [&] {
    const Metrics metrics = loss.take_metrics();
    // Without a reference the shift is the log-probability itself.
    if (pair.needs_reference) warn_if_forgetting(run, metrics);
    return metrics;
  };
  task.preflight = [&] {
    if (!pair.needs_reference) return;  // no value is known beforehand
    const PreferenceBatch& batch = dataset.batch(0);
    model.forward(batch.tokens, workspace);
    run.say(loss.check_start(batch, model.log_probs(batch.tokens, workspace)));
  };
  return run.train(task);
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
  StageRun run("dpo", config, options, events);
  run.expect_files();
  run.start_from(open_starting_point(options, Heads::kLanguageModel, use_of_start(config.train)));
  const std::vector<std::string> none;
  const auto reader =
      pair_loss_of(config.loss).judges_single_answers ? read_judged_answers : read_preferences;
  return train(
      config, run,
      {.train = run.read(options.train_files, reader),
       .held_out = run.read(options.eval_files, reader),
       .replay = run.read(replays(config) ? options.replay_files : none, read_conversations)});
}

TrainOutcome dpo(DpoConfig config, DpoData data, StageModel& model, const StageOptions& options,
                 const TrainerEvents& events) {
  validate(config);
  StageRun run("dpo", config, options, events);
  run.start_from(model);
  return train(config, run, std::move(data));
}

}  // namespace minillm
