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
  PretrainConfig config;
  config.model.vocab_size = 320;
  config.model.hidden_size = 32;
  config.model.intermediate_size = 64;
  config.model.num_hidden_layers = 2;
  config.model.num_attention_heads = config.model.num_key_value_heads = 2;
  config.model.head_dim = 16;
  config.model.max_position_embeddings = 128;
  config.train.batch_tokens = 512;
  config.train.schedule.learning_rate = 5e-3;
  config.train.steps = argc > 2 ? std::atoll(argv[2]) : 60;

  PretrainData texts;
  texts.train.records = make_texts();
  StageModel model = fresh_model(
      config, Tokenizer::from_bytes(train_tokenizer(config, texts.train.records), "in memory"));

  StepReport last;
  TrainerEvents events;
  events.on_step = [&](const StepReport& report) { last = report; };
  events.stop_requested = [&] { return last.loss < 0.2; };  // good enough: finish, save, return

  StageOptions options;  // without a run directory the model is only trained, not written
  options.out = argc > 1 ? argv[1] : "runs/in-memory";
  const TrainOutcome outcome = pretrain(config, texts, model, options, events);
  std::printf("%s after %d steps, loss %.3f\n",
              outcome == TrainOutcome::kInterrupted ? "stopped" : "finished", int(last.step),
              last.loss);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
