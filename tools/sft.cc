// minillm-sft: fine-tunes a checkpoint on conversations.

#include "libminillm/sft/sft.h"

#include "tools/chat_template_option.h"
#include "tools/stage_tool.h"

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app(
      "Supervised fine-tuning: teaches a base model to answer, from conversations in any common "
      "format",
      "minillm-sft");
  StageArguments arguments;
  SftConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  add_stage_options(app, arguments);
  app.add_option("--seed", config.train.seed, "short for --set train.seed=N");
  app.add_option("--init-from", arguments.options.init_from,
                 "checkpoint or run directory to start from")
      ->required();
  add_chat_template_option(app, arguments.options.chat_template);
  app.add_option("--replay", arguments.options.replay_files,
                 "texts (pretraining data) to replay, so that what pretraining told is kept");
  app.footer([&] { return config_help(fields); });
  return run_tool(app, argc, argv, [&] {
    const uint64_t seed = config.train.seed;
    apply_config(fields, arguments);
    if (app.count("--seed") > 0) config.train.seed = seed;
    return run_training(arguments, [&](const TrainerEvents& events) {
      return sft(config, arguments.options, events);
    });
  });
}
