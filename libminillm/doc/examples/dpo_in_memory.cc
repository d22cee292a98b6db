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
  const PairLossConfig pair_config = {.beta = 0.1};
  constexpr double kSftWeight = 1;
  // The model as it is now is the reference; its log-probabilities are all that is kept of it.
  PreferenceDataset dataset(std::move(pairs), pair_log_probs(model, all), std::nullopt,
                            config.batch_tokens, config.seed);
  Workspace workspace(model.config(), dataset.max_rows(), dataset.max_targets(),
                      Workspace::Mode::kTraining);

  TrainingStage stage;
  stage.provenance.stage = "dpo";
  stage.provenance.parent = chat.weights_hash();
  stage.provenance.hashes["template"] = kChatTemplateId;
  if (chat.state()) stage.ancestors = chat.state()->lineage;
  PreferenceSums sums;
  stage.micro_step = [&](Index step, Index) {
    const PreferenceBatch& batch = dataset.batch(step);
    const StepTotals totals = dataset.totals(step, step + 1);
    model.forward(batch.tokens, workspace);
    const auto logp = model.log_probs(batch.tokens, workspace);
    const auto dlogp = workspace.dlogp(batch.tokens.target_count());
    Contribution loss =
        pair_loss(dlogp, logp, batch.items, pair_loss_of(pair_config), pair_config, &sums);
    // The loss is divided by the pairs; the SFT term is a mean over chosen tokens.
    loss +=
        chosen_sft_loss(dlogp, logp, batch.items, kSftWeight * totals.pairs / totals.chosen_tokens);
    model.backward(batch.tokens, dlogp, workspace);
    loss.tokens = batch.tokens.rows();
    return loss;
  };

  RunDirectory run(argc > 2 ? argv[2] : "runs/in-memory-aligned");
  Trainer(config, /*steps=*/30, model, &tokenizer, &run).run(stage, {});
  const PreferenceSums rewards = evaluate_rewards(
      all, pair_log_probs(model, all), pair_log_probs(chat.load_model(), all), pair_config);
  std::printf("pairs that moved the right way: %.0f of %.0f\n", rewards.accurate, rewards.pairs);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
