// Fine-tuning on conversations that a program holds in memory.
//
//   sft_in_memory BASE RUN

#include <cstdio>

#include "libminillm/minillm.h"
#include "libminillm/stage/conversation_dataset.h"

using namespace minillm;

int main(int argc, char** argv) try {
  const Checkpoint base = Checkpoint::open(argc > 1 ? argv[1] : "runs/in-memory");
  Model model = base.load_model();
  const Tokenizer tokenizer = base.tokenizer();

  // The loss mask comes with the rendering: only answers carry loss.
  std::vector<RenderedSequence> conversations;
  for (const char* trade : {"baker", "miller", "cooper", "weaver"})
    conversations.push_back(render_conversation(
        tokenizer, {{Role::kUser, "What does the " + std::string(trade) + " like?"},
                    {Role::kAssistant, "The " + std::string(trade) + " likes plums."}}));

  TrainConfig config;
  config.batch_tokens = 256;
  config.schedule.learning_rate = 3e-3;
  ConversationDataset dataset(std::move(conversations), config.batch_tokens, config.seed);
  const Index most = dataset.max_rows();
  Workspace workspace(model.config(), most, most, Workspace::Mode::kTraining);

  TrainingStage stage;
  stage.provenance.stage = "sft";
  stage.provenance.parent = base.weights_hash();
  stage.provenance.hashes["template"] = kChatTemplateId;
  if (base.state()) stage.ancestors = base.state()->lineage;
  stage.micro_step = [&](Index step, Index) {
    const TokenBatch& batch = dataset.batch(step);
    model.forward(batch, workspace);
    const auto dlogp = workspace.dlogp(batch.target_count());
    next_token_gradient(dlogp, batch.targets);
    const auto logp = model.log_probs_and_backward(batch, dlogp, workspace);
    Contribution loss = next_token_loss(logp, batch.targets);
    loss.tokens = batch.rows();
    return loss;
  };

  double last_loss = 0;
  TrainerEvents events;
  events.on_step = [&](const StepReport& report) { last_loss = report.loss; };
  RunDirectory run(argc > 2 ? argv[2] : "runs/in-memory-chat");
  Trainer(config, /*steps=*/40, model, &tokenizer, &run).run(stage, events);
  std::printf("loss of the answers' tokens: %.3f\n", last_loss);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
