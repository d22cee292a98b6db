#include "libminillm/reward/reward.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/eval/reward_eval.h"
#include "libminillm/objectives/bradley_terry.h"
#include "libminillm/reward/dataset.h"
#include "libminillm/stage/rendered_pairs.h"

namespace minillm {
namespace {

void validate(const RewardConfig& c) {
  const auto non_negative = [](const char* key, double value) {
    MINILLM_CHECK_USAGE(value >= 0 && std::isfinite(value),
                        "config: reward.{}: expected 0 or more, got {}", key, value);
  };
  non_negative("center_weight", c.center_weight);
  non_negative("margin_weight", c.margin_weight);
  MINILLM_CHECK_USAGE(
      c.data.sample_prompts.empty(),
      "config: data.sample_prompts: a reward model writes no texts: expected no prompts");
}

RenderedPairs render(StageRun& run, Dataset<PreferencePair> data, const RewardConfig& config) {
  leave_out_identical_pairs(run, data);
  // An answer's last token is fed, too.
  RenderedPairs rendered = render_pairs(run, data, run.longest() - 1);
  for (RenderedPair& pair : rendered.pairs) pair.margin *= config.margin_weight;
  return rendered;
}

Metrics held_out_metrics(const Model& model, const std::vector<RenderedPair>& pairs, double lambda,
                         const Scoring& scoring) {
  std::vector<double> margins;
  for (const RenderedPair& pair : pairs) margins.push_back(pair.margin);
  const ScoreSums sums = evaluate_scores(pair_scores(model, pairs, scoring), margins, lambda);
  Metrics metrics = {{"loss", sums.loss / sums.pairs}};
  for (auto& metric : named_metrics(sums)) metrics.push_back(std::move(metric));
  return metrics;
}

TrainOutcome train(const RewardConfig& config, StageRun& run, RewardData data) {
  run.warn_of_shared(count_shared(data.train.records, data.held_out.records),
                     std::ssize(data.held_out.records));
  RenderedPairs pairs = render(run, std::move(data.train), config), held_out;
  run.depends_on("template", run.tokenizer().chat_template()->id);
  run.depends_on("train", pairs.hash);
  if (!data.held_out.records.empty()) {
    held_out = render(run, std::move(data.held_out), config);
    run.evaluate_on(held_out.hash, count_tokens(held_out.pairs), [&] {
      return held_out_metrics(run.model(), held_out.pairs, config.center_weight,
                              run.scoring("evaluating"));
    });
  }
  RewardDataset dataset(std::move(pairs.pairs), config.train.batch_tokens, config.train.seed,
                        run.model().virtual_tokens());
  const Index max_rows = dataset.schedule().max_rows();
  run.plan(dataset.schedule(), {max_rows, max_rows, dataset.bytes()});
  Model& model = run.model();
  Workspace& workspace = run.workspace();
  std::vector<Real> score, dscore;
  ScoreSums sums;

  StageTask task;
  task.micro_step = [&](Index i) {
    const ScoredPairs& batch = dataset.batch(i);
    score.resize(batch.tokens.targets.size());
    dscore.assign(score.size(), 0);
    model.forward(batch.tokens, workspace);
    model.scores(score, batch.tokens, workspace);
    Contribution sum =
        bradley_terry_loss(dscore, score, batch.margins, config.center_weight, &sums);
    model.scores_backward(dscore, batch.tokens, workspace);
    model.backward(batch.tokens, workspace);
    sum.tokens = batch.tokens.rows();
    return sum;
  };
  static_assert(sizeof sums == 7 * sizeof(double), "list a new one here");
  task.sums = {&sums.pairs,
               &sums.loss,
               &sums.accurate,
               &sums.chosen,
               &sums.rejected,
               {&sums.smallest, StageSum::Kind::kSmallest},
               {&sums.largest, StageSum::Kind::kLargest}};
  task.take_step_metrics = [&] {
    const Metrics metrics = named_metrics(sums);
    sums = {};
    return metrics;
  };
  return run.train(task);
}

}  // namespace

void list_fields(ConfigFields& fields, RewardConfig& c) {
  list_fields(fields, c.train);
  list_fields(fields, c.data);
  fields.add("reward.center_weight", c.center_weight,
             "how strongly the two scores of a pair are held around 0; 0 = not at all");
  fields.add("reward.margin_weight", c.margin_weight,
             "times a row's \"margin\": how far apart its scores are to be; 0 = it does not count");
}

TrainOutcome train_reward(RewardConfig config, const StageOptions& options,
                          const TrainerEvents& events) {
  validate(config);
  StageRun run("reward", config, options, events);
  run.expect_files();
  run.start_from(open_starting_point(options, Heads::kScore, use_of_start(config.train)));
  return train(config, run,
               {.train = run.read(options.train_files, read_preferences),
                .held_out = run.read(options.eval_files, read_preferences)});
}

TrainOutcome train_reward(RewardConfig config, RewardData data, StageModel& model,
                          const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  MINILLM_CHECK(model.model.config().heads == Heads::kScore,
                "reward model: expected a model with a score head alone (with_heads)");
  StageRun run("reward", config, options, events);
  run.start_from(model);
  return train(config, run, std::move(data));
}

}  // namespace minillm
