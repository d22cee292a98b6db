// minillm-pretrain: trains a language model on raw text, from scratch or from a checkpoint.

#include "libminillm/pretrain/pretrain.h"

#include "tools/stage_tool.h"

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app("Pretrains a language model on raw text (.txt, or .jsonl with a \"text\" field)",
               "minillm-pretrain");
  StageArguments arguments;
  PretrainConfig config;
  std::string tokenizer;
  ConfigFields fields;
  list_fields(fields, config);
  add_stage_options(app, arguments);
  app.add_option("--seed", config.train.seed, "short for --set train.seed=N");
  app.add_option("--init-from", arguments.options.init_from,
                 "continued pretraining: checkpoint or run directory to start from");
  app.add_option("--tokenizer", tokenizer,
                 "tokenizer.model to use; without it one is trained on the training files");
  app.footer([&] { return config_help(fields); });
  return run_tool(app, argc, argv, [&] {
    const uint64_t seed = config.train.seed;
    apply_config(fields, arguments);
    if (app.count("--seed") > 0) config.train.seed = seed;
    return run_training(arguments, [&](const TrainerEvents& events) {
      return pretrain(config, arguments.options, tokenizer, events);
    });
  });
}
