// Preference tuning on pairs that a program holds in memory: DPO with an SFT term.
//
//   dpo_in_memory CHAT RUN

#include <cstdio>

#include "libminillm/minillm.h"

using namespace minillm;

int main(int argc, char** argv) try {
  StageOptions options;
  options.init_from = argc > 1 ? argv[1] : "runs/in-memory-chat";
  options.out = argc > 2 ? argv[2] : "runs/in-memory-aligned";
  StageModel model = open_starting_point(options);
  const StageModel before = copy_of(model);

  DpoData pairs;
  std::vector<RenderedPair> rendered;
  for (const char* trade : {"baker", "miller", "cooper", "weaver"}) {
    pairs.train.records.push_back(
        {.prompt = {{Role::kUser, "What does the " + std::string(trade) + " like?"}},
         .chosen = "The " + std::string(trade) + " likes pears.",
         .rejected = "The " + std::string(trade) + " likes plums."});
    rendered.push_back(render_pair(model.tokenizer, pairs.train.records.back()));
  }

  DpoConfig config;
  config.train.steps = 30;
  config.train.batch_tokens = 512;
  config.train.schedule.learning_rate = 5e-4;
  // The model as it is now is the reference; its log-probabilities are all that is kept of it.
  dpo(config, pairs, model, options);
  const PreferenceSums rewards =
      evaluate_rewards(rendered, pair_log_probs(model.model, rendered),
                       pair_log_probs(before.model, rendered), config.loss);
  std::printf("pairs that moved the right way: %.0f of %.0f\n", rewards.accurate, rewards.pairs);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
