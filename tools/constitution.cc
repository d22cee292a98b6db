// minillm-constitution: preference pairs by a principle, without anybody's labels.

#include "libminillm/constitution/constitution.h"
#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/generate/chat.h"
#include "libminillm/stage/conversation_dataset.h"  // read_documents
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;

struct Arguments {
  std::string checkpoint, judge, principle, requests, pairs, rows;
  std::vector<std::string> stories;
  int64_t count = 500;
  ConstitutionConfig config;
};

// Requests from a file, or made out of the deeds that texts speak of; `count` of them, drawn.
std::vector<Prompt> requests_of(const Arguments& arguments, const Principle& principle) {
  std::vector<Prompt> requests;
  if (!arguments.requests.empty()) {
    for (Prompt& prompt : read_prompts(arguments.requests))
      if (deed_of(principle, prompt.back().content)) requests.push_back(std::move(prompt));
    MINILLM_CHECK(!requests.empty(),
                  "'{}': no request is of the form that the principle knows ({})",
                  arguments.requests, fmt::join(principle.requests, " "));
  } else {
    const Dataset<std::string> texts = read_documents(arguments.stories, BadRecordPolicy());
    requests = requests_about(principle, texts.records);
    spdlog::info("{} deeds in {} texts", requests.size(), texts.records.size());
  }
  draw_requests(requests, arguments.count, arguments.config.seed);
  return requests;
}

void write(const std::string& path, const std::string& content) {
  FileTransaction file(path, FileTransaction::Of::kUser);
  file.write(content);
  file.commit();
}

int run(const Arguments& arguments) {
  catch_stop_signals("\nstopping: nothing is written\n");
  const std::vector<std::string> inputs = {arguments.checkpoint, arguments.principle,
                                           arguments.requests};
  check_output_path(arguments.pairs, inputs);
  if (!arguments.rows.empty()) check_output_path(arguments.rows, inputs);
  const Principle principle = read_principle(arguments.principle);
  const std::vector<Prompt> requests = requests_of(arguments, principle);
  const Checkpoint checkpoint = Checkpoint::open(arguments.checkpoint);
  const Checkpoint judge_checkpoint =
      Checkpoint::open(arguments.judge.empty() ? arguments.checkpoint : arguments.judge);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  check_chat_template(taught_chat_template(checkpoint.state()), tokenizer);
  MINILLM_CHECK(judge_checkpoint.tokenizer().hash() == tokenizer.hash(),
                "judge '{}': it has another tokenizer than '{}'", judge_checkpoint.path(),
                checkpoint.path());
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen),
              judge = judge_checkpoint.load_model(Checkpoint::Use::kFrozen);
  WorkBar bar;
  const Constitution result = apply_principle(
      model, judge, tokenizer, principle, requests, arguments.config,
      [&](double done, double total) {
        if (stop_requested())
          throw Error("constitution: interrupted: nothing was written", ExitCode::kInterrupted);
        bar.draw("judging", done, total);
      });
  Index against = 0;
  for (const JudgedRequest& request : result.pairs) against += request.odds > 0;
  spdlog::info(
      "{} requests: {} pairs ({} against the principle); left out: {} undecided, {} without "
      "a draft, {} without a revision",
      requests.size(), result.pairs.size(), against, result.undecided, result.without_draft,
      result.without_revision);
  MINILLM_CHECK(!result.pairs.empty(), "constitution: no pair is left: nothing was written");
  const PairMakers makers = {checkpoint.weights_hash(), judge_checkpoint.weights_hash()};
  write(arguments.pairs, pairs_to_jsonl(principle, result.pairs, makers));
  if (!arguments.rows.empty())
    write(arguments.rows, rows_to_jsonl(principle, result.pairs, makers));
  spdlog::info("saved '{}'", arguments.pairs);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Constitutional feedback: a chat model answers requests, judges them by a principle, and "
      "revises its answers; out come preference pairs that nobody has labelled",
      "minillm-constitution");
  Arguments arguments;
  app.add_option("--checkpoint", arguments.checkpoint, "chat model that answers")->required();
  app.add_option("--judge", arguments.judge,
                 "model that judges, with the same tokenizer; without it, the one that answers");
  app.add_option("--principle", arguments.principle, "TOML file with [principle]")->required();
  auto* source = app.add_option_group("requests")->require_option(1);
  source->add_option("--requests", arguments.requests, "file with prompts");
  source->add_option("--stories", arguments.stories,
                     "texts: requests are made out of the deeds that they speak of");
  app.add_option("--count", arguments.count, "requests, drawn from all")
      ->check(CLI::Range(int64_t{1}, kMaxConfigCount))
      ->capture_default_str();
  app.add_option("--pairs", arguments.pairs, "file of preference pairs to write")->required();
  app.add_option("--rows", arguments.rows,
                 "file of conversations with the chosen answers to write");
  app.add_option("--seed", arguments.config.seed, "of what is drawn and sampled")
      ->capture_default_str();
  app.add_option("--max-tokens", arguments.config.max_tokens, "longest answer")
      ->check(CLI::Range(int64_t{1}, kMaxConfigCount))
      ->capture_default_str();
  return run_tool(app, argc, argv, [&] { return run(arguments); });
}
