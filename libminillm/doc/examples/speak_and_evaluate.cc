// Two models in one process, each in a thread of its own: one is scored on a text while the other
// speaks, piece by piece, until the listener has had enough.
//
//   speak_and_evaluate MODEL OTHER

#include <cstdio>
#include <thread>

#include "libminillm/minillm.h"

using namespace minillm;

int main(int argc, char** argv) try {
  const Checkpoint first = Checkpoint::open(argc > 1 ? argv[1] : "runs/in-memory");
  const Checkpoint second = Checkpoint::open(argc > 2 ? argv[2] : "runs/in-memory-chat");

  double loss = 0;
  std::string failure;  // an exception must not leave its thread
  std::thread scorer([&] {
    try {
      const Model model = first.load_model();
      const Tokenizer tokenizer = first.tokenizer();
      const std::vector<std::string> documents = {"The baker likes plums."};
      const EvaluationText text =
          make_evaluation_text(documents, tokenizer, model.config().max_position_embeddings);
      loss = evaluate_text(model, text, tokenizer.eos()).loss();
    } catch (const Error& error) {
      failure = error.what();
    }
  });

  const Model model = second.load_model();
  const Tokenizer tokenizer = second.tokenizer();
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = 40;
  size_t heard = 0;
  GenerationEvents events;
  events.on_text = [&](const std::string& piece) {
    std::fputs(piece.c_str(), stdout);
    std::fflush(stdout);
    heard += piece.size();
  };
  events.stop_requested = [&] { return heard > 80; };
  Generator(model, tokenizer)
      .generate(render_prompt(tokenizer, {{Role::kUser, "What does the miller like?"}}), config,
                events);
  scorer.join();
  if (!failure.empty()) throw Error(failure);
  std::printf("\nnats per token of the other model: %.3f\n", loss);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return static_cast<int>(error.exit_code());
}
