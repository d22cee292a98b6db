// minillm-eval: what a checkpoint knows and does.

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/preference_eval.h"
#include "libminillm/eval/reward_eval.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/sft_eval.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "tools/adapter_option.h"
#include "tools/chat_template_option.h"
#include "tools/eval_best_of.h"
#include "tools/eval_calibration.h"
#include "tools/eval_choice.h"
#include "tools/eval_world.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;
using Json = nlohmann::ordered_json;

struct Arguments {
  std::string checkpoint;
  AdapterOptions adapters;
  bool json = false;
  std::vector<std::string> files;
  std::string chat_template, on_bad_record = "error";
  std::string document_split = "blank_line";
  std::string reference;
  double beta = 0.1;
  std::string text, token_ids;
};

// All ranks that mpirun has started, who divide the work; null: one.
std::unique_ptr<Communicator> ranks;

// Shows how far an evaluation has come.
Scoring on_terminal() {
  if (number_of(ranks.get()) > 0) return {ProgressFunction(), ranks.get()};
  return {[bar = std::make_shared<WorkBar>()](double done, double total) {
            bar->draw("evaluating", done, total);
          },
          ranks.get()};
}

Index max_positions(const Model& model) { return model.positions(); }

void print_metrics(const Arguments& arguments, const Metrics& metrics,
                   const std::vector<std::pair<std::string, int64_t>>& counts) {
  if (arguments.json) {
    Json result;
    for (const auto& [name, value] : metrics) result[name] = value;
    for (const auto& [name, count] : counts) result[name] = count;
    print("{}\n", result.dump());
    return;
  }
  for (const auto& [name, value] : metrics) print("{:<22} {:12.6f}\n", name, value);
  for (const auto& [name, count] : counts) print("{:<22} {:12}\n", name, count);
}

void report_dropped(const std::vector<DatasetReport>& reports) {
  for (const DatasetReport& report : reports)
    for (const auto& [reason, count] : report.dropped)
      spdlog::warn("{}: {} rows dropped: {}", report.path, count, reason);
}

void evaluate_loss(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  std::vector<std::string> documents;
  report_dropped(
      for_each_document(arguments.files, parse_document_split(arguments.document_split),
                        parse_bad_record_policy(arguments.on_bad_record),
                        [&](std::string_view document) { documents.emplace_back(document); }));
  const TextLoss loss =
      evaluate_text(model, make_evaluation_text(documents, tokenizer, max_positions(model)),
                    tokenizer.eos(), on_terminal());
  print_metrics(arguments, named_metrics(loss),
                {{"documents", std::ssize(documents)},
                 {"tokens", static_cast<int64_t>(loss.tokens)},
                 {"bytes", static_cast<int64_t>(loss.bytes)}});
}

// With the template it was taught, or the one asked for.
Tokenizer chat_tokenizer(const Arguments& arguments, const Checkpoint& checkpoint) {
  const Tokenizer tokenizer = tokenizer_with(checkpoint, arguments.chat_template);
  if (arguments.chat_template.empty())
    check_chat_template(taught_chat_template(checkpoint.state()), tokenizer);
  return tokenizer;
}

void evaluate_conversations(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = chat_tokenizer(arguments, checkpoint);
  const auto data =
      read_conversations(arguments.files, parse_bad_record_policy(arguments.on_bad_record));
  report_dropped(data.reports);
  std::vector<RenderedSequence> sequences;
  for (const Conversation& conversation : data.records)
    sequences.push_back(render_conversation(tokenizer, conversation.messages));
  const Index too_long = remove_too_long(sequences, max_positions(model));
  const SftResult result = evaluate_sft(model, sequences, on_terminal());
  print_metrics(arguments, named_metrics(result),
                {{"rows", std::ssize(sequences)},
                 {"too_long", too_long},
                 {"tokens", static_cast<int64_t>(result.tokens)}});
}

std::vector<RenderedPair> read_pairs(const Arguments& arguments, const Tokenizer& tokenizer) {
  const auto data =
      read_preferences(arguments.files, parse_bad_record_policy(arguments.on_bad_record));
  report_dropped(data.reports);
  std::vector<RenderedPair> pairs;
  for (const PreferencePair& pair : data.records) pairs.push_back(render_pair(tokenizer, pair));
  return pairs;
}

void evaluate_pairs(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = chat_tokenizer(arguments, checkpoint);
  std::vector<RenderedPair> pairs = read_pairs(arguments, tokenizer);
  const Index too_long = remove_too_long(pairs, max_positions(model));

  const std::vector<PairLogProbs> policy = pair_log_probs(model, pairs, on_terminal());
  Metrics metrics = named_metrics(evaluate_preferences(policy));
  if (!arguments.reference.empty()) {
    const Checkpoint other = open_checkpoint(arguments.reference);
    MINILLM_CHECK(other.tokenizer().hash() == tokenizer.hash(),
                  "reference '{}': it has another tokenizer than '{}'", arguments.reference,
                  arguments.checkpoint);
    const auto reference =
        pair_log_probs(other.load_model(Checkpoint::Use::kFrozen), pairs, on_terminal());
    const PreferenceSums sums =
        evaluate_rewards(pairs, policy, reference, {.beta = arguments.beta});
    metrics = named_metrics(sums);
    metrics.insert(metrics.begin(), {"loss", sums.loss / sums.pairs});
  }
  print_metrics(arguments, metrics, {{"pairs", std::ssize(pairs)}, {"too_long", too_long}});
}

void evaluate_reward_model(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = chat_tokenizer(arguments, checkpoint);
  std::vector<RenderedPair> pairs = read_pairs(arguments, tokenizer);
  const Index too_long = remove_too_long(pairs, max_positions(model) - 1);
  const std::vector<double> margins(pairs.size(), 0);
  const ScoreSums sums = evaluate_scores(pair_scores(model, pairs, on_terminal()), margins, 0);
  Metrics metrics = named_metrics(sums);
  metrics.insert(metrics.begin(), {"loss", sums.loss / sums.pairs});
  print_metrics(arguments, metrics, {{"pairs", std::ssize(pairs)}, {"too_long", too_long}});
}

// The ids in "1 2 3". Throws Error (kUsage) on anything else.
std::vector<Token> parse_token_ids(const std::string& text) {
  std::vector<Token> ids;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    Token& id = ids.emplace_back();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    MINILLM_CHECK_USAGE(error == std::errc() && end == word.data() + word.size(),
                        "--token-ids: expected ids divided by spaces, got '{}'", word);
  }
  return ids;
}

void print_log_probs(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const bool ids_given = !arguments.token_ids.empty();
  const std::vector<Token> ids = ids_given
                                     ? parse_token_ids(arguments.token_ids)
                                     : encode_raw_prompt(checkpoint.tokenizer(), arguments.text);
  const std::vector<Real> logp =
      token_log_probs(checkpoint.load_model(Checkpoint::Use::kFrozen), ids);
  if (arguments.json) {
    Json values = Json::array({nullptr});
    for (const Real value : logp) values.push_back(value);
    print("{}\n", Json{{"token_ids", ids}, {"logprobs", values}}.dump());
    return;
  }
  std::optional<Tokenizer> tokenizer;
  if (checkpoint.has_tokenizer()) tokenizer = checkpoint.tokenizer();
  double sum = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string piece = tokenizer ? tokenizer->piece(ids[i]) : "";
    print("{:6}  {}  {}\n", ids[i], i == 0 ? "         " : fmt::format("{:9.4f}", logp[i - 1]),
          piece);
    if (i > 0) sum += logp[i - 1];
  }
  print("mean {:.4f} over {} tokens\n", sum / static_cast<double>(logp.size()), logp.size());
}

// One of the tool's commands, with the options they all share.
CLI::App* add_command(CLI::App& app, Arguments& arguments, const std::string& name,
                      const std::string& description) {
  CLI::App* command = app.add_subcommand(name, description);
  command->fallthrough();  // --threads is the tool's
  command->add_option("--checkpoint", arguments.checkpoint, "checkpoint or run directory")
      ->required();
  add_adapter_options(*command, arguments.adapters);
  command->add_flag("--json", arguments.json, "print one JSON object on stdout");
  return command;
}

void add_data_options(CLI::App* command, Arguments& arguments, const std::string& name) {
  command->add_option(name, arguments.files, "files to evaluate on")->required();
  command
      ->add_option("--on-bad-record", arguments.on_bad_record,
                   "error = stop at the first bad record, skip = leave bad records out")
      ->check(CLI::IsMember({"error", "skip"}))
      ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Evaluates a checkpoint", "minillm-eval");
  Arguments arguments;
  app.require_subcommand(1);
  auto* loss = add_command(app, arguments, "loss", "loss, perplexity and bits per byte of text");
  add_data_options(loss, arguments, "--text");
  loss->add_option("--document-split", arguments.document_split,
                   "what ends a document in a plain text file")
      ->check(CLI::IsMember({"blank_line", "line", "file"}))
      ->capture_default_str();
  auto* sft = add_command(app, arguments, "sft", "loss and token accuracy on conversations");
  add_data_options(sft, arguments, "--data");
  add_chat_template_option(*sft, arguments.chat_template);
  auto* preference = add_command(app, arguments, "preference", "accuracy on preference pairs");
  add_data_options(preference, arguments, "--data");
  preference->add_option("--reference", arguments.reference,
                         "checkpoint to measure rewards against");
  preference->add_option("--beta", arguments.beta, "scale of the rewards, as dpo.beta")
      ->capture_default_str();
  add_chat_template_option(*preference, arguments.chat_template);
  auto* reward = add_command(app, arguments, "reward",
                             "how often a reward model agrees with preference pairs");
  add_data_options(reward, arguments, "--data");
  add_chat_template_option(*reward, arguments.chat_template);
  BestOfArguments best;
  auto* best_of = app.add_subcommand(
      "best-of", "what the best of 1, 2, 4, ... answers by one reward is worth by another");
  best_of->fallthrough();
  best_of->add_option("--checkpoint", best.checkpoint, "the model that answers")->required();
  best_of->add_flag("--json", best.json, "print one JSON array on stdout");
  best_of->add_option("--prompts", best.prompts, "file with the questions")->required();
  best_of->add_option("--proxy", best.proxy, "reward by which the best answer is chosen")
      ->capture_default_str();
  best_of->add_option("--gold", best.gold, "reward that says what it is worth")
      ->capture_default_str();
  best_of->add_option("--reward-model", best.rewards.model, "checkpoint of the reward \"model\"");
  best_of->add_option("--reward-pattern", best.rewards.pattern,
                      "regular expression of the reward \"pattern\"");
  best_of->add_option("--samples", best.samples, "answers to every question")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  best_of->add_option("--max-tokens", best.max_tokens, "longest answer")->capture_default_str();
  best_of->add_option("--temperature", best.temperature, "of sampling")->capture_default_str();
  best_of->add_option("--seed", best.seed, "of sampling")->capture_default_str();
  WorldArguments questions;
  auto* world = app.add_subcommand("world", "the embedded world's held-out questions");
  add_world_options(*world, questions);
  CalibrationArguments confidence;
  auto* calibration = app.add_subcommand(
      "calibration", "whether confidence in answers of one word tells the right from the wrong");
  add_calibration_options(*calibration, confidence);
  ChoiceArguments choices, continuations;
  auto* choice = app.add_subcommand(
      "choice", "multiple choice by log-likelihood: ARC, BLiMP, HellaSwag, TruthfulQA, ...");
  add_choice_options(*choice, choices);
  auto* continuation = app.add_subcommand(
      "continuation", "last words and other continuations by log-likelihood: LAMBADA, ...");
  add_choice_options(*continuation, continuations);
  auto* logprobs = add_command(app, arguments, "logprobs", "log-probability of every token");
  auto* input = logprobs->add_option_group("input")->require_option(1);
  input->add_option("--text", arguments.text, "text; BOS is put in front");
  input->add_option("--token-ids", arguments.token_ids, "ids, as in \"1 2 3\"; used as they are");

  return run_tool(app, argc, argv, [&] {
    ranks = open_ranks();
    if (*loss) evaluate_loss(arguments);
    if (*sft) evaluate_conversations(arguments);
    if (*preference) evaluate_pairs(arguments);
    if (*reward) evaluate_reward_model(arguments);
    if (*best_of) evaluate_best_of(best);
    if (*world) evaluate_world_set(questions, ranks.get());
    if (*calibration) evaluate_calibration(confidence, ranks.get());
    if (*choice) evaluate_choice_files(choices, ranks.get());
    if (*continuation) evaluate_continuation_files(continuations, ranks.get());
    if (*logprobs) print_log_probs(arguments);
    ranks.reset();  // before the process ends
    return 0;
  });
}
