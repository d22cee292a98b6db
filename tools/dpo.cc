// minillm-dpo: tunes a chat checkpoint on preference pairs.

#include "libminillm/dpo/dpo.h"

#include "tools/chat_template_option.h"
#include "tools/stage_tool.h"

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app(
      "Direct preference optimization: teaches a chat model which of two answers is better",
      "minillm-dpo");
  StageArguments arguments;
  DpoConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  add_stage_options(app, arguments);
  app.add_option("--seed", config.train.seed, "short for --set train.seed=N");
  app.add_option("--init-from", arguments.options.init_from,
                 "checkpoint or run directory to start from; it is also the reference")
      ->required();
  add_chat_template_option(app, arguments.options.chat_template);
  app.add_option("--replay", arguments.options.replay_files,
                 "conversations (SFT data) to replay, so that what SFT taught is kept");
  add_config_help(app, fields);
  return run_tool(app, argc, argv, [&] {
    const uint64_t seed = config.train.seed;
    apply_config(fields, arguments);
    if (app.count("--seed") > 0) config.train.seed = seed;
    return run_training(arguments, [&](const TrainerEvents& events) {
      return dpo(config, arguments.options, events);
    });
  });
}
