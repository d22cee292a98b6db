// Pretraining on texts that a program holds in memory, with a callback that can stop it.
//
//   pretrain_in_memory RUN [STEPS]

#include <cstdio>
#include <cstdlib>

#include "libminillm/minillm.h"

using namespace minillm;

// Any source of text will do: a database, a network, a generator.
std::vector<std::string> make_texts() {
  const char* trades[] = {"baker", "miller", "cooper", "weaver"};
  const char* fruits[] = {"plums", "pears", "apples", "cherries", "figs"};
  std::vector<std::string> texts;
  for (int i = 0; i < 400; ++i)
    texts.push_back("The " + std::string(trades[i % 4]) + " likes " + fruits[i % 5] +
                    ". Every morning there are " + std::to_string(i % 7) + " on the table.");
  return texts;
}

int main(int argc, char** argv) try {
  const std::vector<std::string> texts = make_texts();
  size_t next = 0;
  const Tokenizer tokenizer = Tokenizer::from_bytes(train_tokenizer(
                                                        [&](std::string& text) {
                                                          if (next == texts.size()) return false;
                                                          text = texts[next++];
                                                          return true;
                                                        },
                                                        {.vocab_size = 320}),
                                                    "in memory");

  ModelConfig shape;
  shape.vocab_size = tokenizer.vocab_size();
  shape.hidden_size = 32;
  shape.intermediate_size = 64;
  shape.num_hidden_layers = 2;
  shape.num_attention_heads = shape.num_key_value_heads = 2;
  shape.head_dim = 16;
  shape.max_position_embeddings = 128;
  Model model(shape);
  model.initialize(/*seed=*/1);

  TrainConfig config;
  config.batch_tokens = 512;
  config.schedule.learning_rate = 5e-3;
  const Index steps = argc > 2 ? std::atoll(argv[2]) : 60;

  // Which texts go into which step: a pure function of the step, so that the run can be resumed.
  std::vector<std::vector<Token>> documents;
  std::vector<Index> rows;
  for (const std::string& text : texts) {
    documents.push_back(encode_raw_prompt(tokenizer, text));
    documents.back().push_back(tokenizer.eos());
    rows.push_back(std::ssize(documents.back()) - 1);
  }
  BatchSchedule schedule(rows, config.batch_tokens, config.seed);
  Workspace workspace(shape, schedule.max_rows(), schedule.max_rows(), Workspace::Mode::kTraining);

  TrainingStage stage;
  stage.provenance.stage = "pretrain";
  stage.micro_step = [&](Index step, Index) {
    TokenBatch batch;
    for (const Index i : schedule.at(step)) append_text(batch, documents[size_t(i)]);
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
  events.stop_requested = [&] { return last_loss < 0.2; };  // good enough: finish, save, return

  RunDirectory run(argc > 1 ? argv[1] : "runs/in-memory");
  Trainer trainer(config, steps, model, &tokenizer, &run);
  const TrainOutcome outcome = trainer.run(stage, events);
  std::printf("%s after %d steps, loss %.3f\n",
              outcome == TrainOutcome::kInterrupted ? "stopped" : "finished", int(trainer.step()),
              last_loss);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
