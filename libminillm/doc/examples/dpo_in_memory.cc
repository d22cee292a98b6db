// Preference tuning on pairs that a program holds in memory: DPO with an SFT term.
//
//   dpo_in_memory CHAT RUN

#include <cstdio>

#include "libminillm/dpo/dataset.h"
#include "libminillm/minillm.h"

using namespace minillm;

int main(int argc, char** argv) try {
  const Checkpoint chat = Checkpoint::open(argc > 1 ? argv[1] : "runs/in-memory-chat");
  Model model = chat.load_model();
  const Tokenizer tokenizer = chat.tokenizer();

  std::vector<RenderedPair> pairs;
  for (const char* trade : {"baker", "miller", "cooper", "weaver"})
    pairs.push_back(render_pair(
        tokenizer, {.prompt = {{Role::kUser, "What does the " + std::string(trade) + " like?"}},
                    .chosen = "The " + std::string(trade) + " likes pears.",
                    .rejected = "The " + std::string(trade) + " likes plums."}));
  const std::vector<RenderedPair> all = pairs;

  TrainConfig config;
  config.batch_tokens = 512;
  config.schedule.learning_rate = 5e-4;
  constexpr double kBeta = 0.1, kSftWeight = 1;
  // The model as it is now is the reference; its log-probabilities are all that is kept of it.
  PreferenceDataset dataset(std::move(pairs), pair_log_probs(model, all), std::nullopt,
                            config.batch_tokens, config.seed);
  Workspace workspace(model.config(), dataset.max_rows(), dataset.max_targets(),
                      Workspace::Mode::kTraining);

  TrainingTask task = model_task(model, &tokenizer);
  task.provenance.stage = "dpo";
  task.provenance.parent = chat.weights_hash();
  task.provenance.hashes["template"] = kChatTemplateId;
  if (chat.state()) task.ancestors = chat.state()->lineage;
  PreferenceSums sums;
  task.micro_step = [&](Index i) {
    const PreferenceBatch& batch = dataset.batch(i);
    const StepTotals totals = dataset.totals(i, i + 1);
    model.forward(batch.tokens, workspace);
    const auto logp = model.log_probs(batch.tokens, workspace);
    std::vector<Real> dlogp(logp.size());
    Contribution loss = dpo_loss(dlogp, logp, batch.items, kBeta, /*label_smoothing=*/0, &sums);
    // The loss is divided by the pairs; the SFT term is a mean over chosen tokens.
    loss +=
        chosen_sft_loss(dlogp, logp, batch.items, kSftWeight * totals.pairs / totals.chosen_tokens);
    model.backward(batch.tokens, dlogp, workspace);
    loss.tokens = batch.tokens.rows();
    return loss;
  };

  RunDirectory run(argc > 2 ? argv[2] : "runs/in-memory-aligned");
  Trainer(config, /*steps=*/30, task, &run).run();
  const RewardResult rewards =
      evaluate_rewards(pair_log_probs(model, all), pair_log_probs(chat.load_model(), all), kBeta);
  std::printf("pairs that moved the right way: %.0f of %.0f\n", rewards.accurate, rewards.pairs);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
