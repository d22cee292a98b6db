// Fine-tuning on conversations that a program holds in memory.
//
//   sft_in_memory BASE RUN

#include <cstdio>

#include "libminillm/minillm.h"

using namespace minillm;

int main(int argc, char** argv) try {
  StageOptions options;
  options.init_from = argc > 1 ? argv[1] : "runs/in-memory";
  options.out = argc > 2 ? argv[2] : "runs/in-memory-chat";
  StageModel model = open_starting_point(options);

  SftData rows;
  for (const char* trade : {"baker", "miller", "cooper", "weaver"})
    rows.train.records.push_back(
        {{{Role::kUser, "What does the " + std::string(trade) + " like?"},
          {Role::kAssistant, "The " + std::string(trade) + " likes plums."}}});

  SftConfig config;
  config.train.steps = 40;
  config.train.batch_tokens = 256;
  config.train.schedule.learning_rate = 3e-3;
  double last_loss = 0;
  TrainerEvents events;
  events.on_step = [&](const StepReport& report) { last_loss = report.loss; };
  sft(config, rows, model, options, events);  // only the answers' tokens carry loss
  std::printf("loss of the answers' tokens: %.3f\n", last_loss);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
