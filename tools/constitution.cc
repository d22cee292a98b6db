// minillm-constitution: preference pairs by a principle, without anybody's labels.

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/output_path.h"
#include "libminillm/constitution/constitution.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/message_json.h"
#include "libminillm/generate/chat.h"
#include "libminillm/stage/conversation_dataset.h"  // read_documents
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;
using Json = nlohmann::ordered_json;

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
    MINILLM_CHECK_USAGE(!principle.stories.empty(),
                        "--stories: the principle says not how stories name deeds: expected "
                        "principle.stories");
    const Dataset<std::string> texts = read_documents(arguments.stories, BadRecordPolicy());
    const std::vector<std::string> deeds = deeds_in(principle, texts.records);
    MINILLM_CHECK(!deeds.empty(),
                  "--stories: the texts speak of no deed as the principle knows it");
    for (size_t i = 0; i < deeds.size(); ++i)
      requests.push_back({{Role::kUser, request_for(principle, deeds[i], i)}});
    spdlog::info("{} deeds in {} texts", deeds.size(), texts.records.size());
  }
  Rng(arguments.config.seed).shuffle(requests);
  if (std::ssize(requests) > arguments.count) requests.resize(static_cast<size_t>(arguments.count));
  return requests;
}

void write(const Arguments& arguments, const Principle& principle, const Constitution& result,
           const std::string& drafted_by, const std::string& judged_by) {
  FileTransaction pairs(arguments.pairs, FileTransaction::Of::kUser);
  std::string rows;
  for (const JudgedRequest& request : result.pairs) {
    const Json metadata = {{"principle", principle.name},
                           {"deed", request.deed},
                           {"log_odds", request.odds},
                           {"drafted_by", drafted_by},
                           {"judged_by", judged_by}};
    pairs.write(Json({{"prompt", messages_json(request.prompt)},
                      {"chosen", request.chosen},
                      {"rejected", request.rejected},
                      {"metadata", metadata}})
                    .dump() +
                "\n");
    Json messages = messages_json(request.prompt);
    messages.push_back({{"role", "assistant"}, {"content", request.chosen}});
    rows += Json({{"messages", messages}, {"metadata", metadata}}).dump() + "\n";
  }
  pairs.commit();
  if (arguments.rows.empty()) return;
  FileTransaction file(arguments.rows, FileTransaction::Of::kUser);
  file.write(rows);
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
  const Model model = checkpoint.load_model(), judge = judge_checkpoint.load_model();
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
  write(arguments, principle, result, checkpoint.weights_hash(), judge_checkpoint.weights_hash());
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
