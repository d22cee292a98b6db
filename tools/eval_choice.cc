#include "tools/eval_choice.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/choice_eval.h"
#include "libminillm/eval/choice_log.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using Scores = std::vector<std::optional<ItemScore>>;

Json value_of(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

std::string cell(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "-";
}
// "0.5230 [0.492, 0.554]"
std::string cell(const Rate& rate) {
  if (!rate.value()) return "-";
  const Interval interval = rate.interval();
  return fmt::format("{:.4f} [{:.3f}, {:.3f}]", *rate.value(), interval.low, interval.high);
}

void add_rate(Json& json, const std::string& name, const Rate& rate) {
  const Interval interval = rate.interval();
  json[name] = value_of(rate.value());
  json[name + "_interval"] = rate.of > 0 ? Json::array({interval.low, interval.high}) : Json();
  json[name + "_count"] = rate.count;
}

// The figures of a file that every way of asking has.
template <typename Result>
Json common_json(const ChoiceTask& task, const Result& result) {
  return {{"task", task.name},
          {"file", task.path},
          {"form", task.form},
          {"sha256", task.hash},
          {"items", result.items},
          {"not_asked", result.not_asked},
          {"truncated", result.truncated},
          {"divided", result.divided}};
}

Json to_json(const ChoiceTask& task, const ChoiceResult& result) {
  Json json = common_json(task, result);
  json["tied"] = result.tied;
  add_rate(json, "acc", result.acc);
  add_rate(json, "acc_norm", result.acc_norm);
  add_rate(json, "acc_bytes", result.acc_bytes);
  add_rate(json, "acc_tokens", result.acc_tokens);
  json["chance"] = value_of(result.chance);
  json["acc_centred"] = value_of(result.centred(result.acc));
  json["acc_norm_centred"] = value_of(result.centred(result.acc_norm));
  json["bits_per_byte"] = value_of(result.bits_per_byte);
  return json;
}

Json to_json(const ChoiceTask& task, const ContinuationResult& result) {
  Json json = common_json(task, result);
  add_rate(json, "acc", result.acc);
  json["perplexity"] = value_of(result.perplexity);
  json["bits_per_byte"] = value_of(result.bits_per_byte);
  return json;
}

// What keeps the figures from being what they seem.
template <typename Result>
void tell(const ChoiceTask& task, const Result& result, const Scores& scores) {
  std::set<std::string> problems;
  for (const std::optional<ItemScore>& score : scores)
    if (score && !score->problem.empty()) problems.insert(score->problem);
  for (const std::string& problem : problems)
    spdlog::warn("{}: {} of {} items were not asked: {}", task.path, result.not_asked,
                 task.items.size(), problem);
  if (result.truncated > 0)
    spdlog::warn(
        "{}: {} of {} items are longer than the model's context: their beginning is left "
        "out",
        task.path, result.truncated, result.items);
  if (result.divided > 0)
    spdlog::warn("{}: in {} of {} items a token reaches from the context into an answer", task.path,
                 result.divided, result.items);
  if constexpr (requires { result.tied; }) {
    if (result.tied > 0)
      spdlog::warn(
          "{}: in {} of {} items the right answer is as probable as another: it counts "
          "if it comes first",
          task.path, result.tied, result.items);
  }
}

constexpr const char* kChoiceRow = "{:<{}} {:>6} {:>23} {:>23} {:>9} {:>9} {:>7} {:>8} {:>9}\n";
constexpr const char* kContinuationRow = "{:<{}} {:>6} {:>23} {:>12} {:>9}\n";

void print_header(size_t width, const ChoiceResult*) {
  print(kChoiceRow, "task", width, "items", "acc [95 %]", "acc_norm [95 %]", "acc_bytes", "acc_tok",
        "chance", "centred", "bits/byte");
}
void print_row(const std::string& name, size_t width, const ChoiceResult& r) {
  print(kChoiceRow, name, width, r.items, cell(r.acc), cell(r.acc_norm), cell(r.acc_bytes.value()),
        cell(r.acc_tokens.value()), cell(r.chance), cell(r.centred(r.acc)), cell(r.bits_per_byte));
}
void print_header(size_t width, const ContinuationResult*) {
  print(kContinuationRow, "task", width, "items", "acc [95 %]", "perplexity", "bits/byte");
}
void print_row(const std::string& name, size_t width, const ContinuationResult& r) {
  print(kContinuationRow, name, width, r.items, cell(r.acc),
        r.perplexity ? fmt::format("{:.4g}", *r.perplexity) : "-", cell(r.bits_per_byte));
}

// The tasks' rates, each counting alike: what is published of BLiMP.
class Means {
 public:
  void add(const Json& json) {
    for (const auto& [key, value] : json.items()) {
      if (!value.is_number_float() || key == "perplexity") continue;
      sums_[key] += value.get<double>();
      ++counts_[key];
    }
  }
  std::optional<double> of(const std::string& key) const {
    const auto found = sums_.find(key);
    if (found == sums_.end()) return {};
    return found->second / counts_.at(key);
  }
  Json json() const {
    Json json;
    for (const auto& [key, sum] : sums_) json[key] = sum / counts_.at(key);
    return json;
  }

 private:
  std::map<std::string, double> sums_, counts_;
};

void print_means(const Means& means, size_t tasks, size_t width, const ChoiceResult*) {
  print(kChoiceRow, fmt::format("mean of {} tasks", tasks), width, "", cell(means.of("acc")),
        cell(means.of("acc_norm")), cell(means.of("acc_bytes")), cell(means.of("acc_tokens")),
        cell(means.of("chance")), cell(means.of("acc_centred")), cell(means.of("bits_per_byte")));
}
void print_means(const Means& means, size_t tasks, size_t width, const ContinuationResult*) {
  print(kContinuationRow, fmt::format("mean of {} tasks", tasks), width, "", cell(means.of("acc")),
        "", cell(means.of("bits_per_byte")));
}

// Whatever the scores depend on beside the data.
std::string model_key(const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  return sha256(checkpoint.weights_hash() + tokenizer.hash() +
                hf_config_json(checkpoint.model_config(), &tokenizer) +
                (tokenizer.adds_bos() ? " bos" : ""));
}

template <typename Result>
void evaluate_files(const ChoiceArguments& arguments, Communicator* ranks, bool finds_most_probable,
                    ChoiceTask (*read)(const std::string&, int64_t),
                    Result (*evaluate)(std::span<const ChoiceItem>,
                                       std::span<const std::optional<ItemScore>>)) {
  const bool first_rank = number_of(ranks) == 0;
  std::vector<ChoiceTask> tasks;  // all are read before the first is scored: errors come early
  for (const std::string& file : arguments.files)
    tasks.push_back(read(file, arguments.limit > 0 ? arguments.limit : kAllItems));
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  ChoiceLog log(arguments.items, model_key(checkpoint, tokenizer), !first_rank);
  const auto bar = std::make_shared<WorkBar>();
  ScoringWork work;
  double seconds = 0;
  Json json = Json::array();
  Means means;
  size_t width = 16;
  for (const ChoiceTask& task : tasks) width = std::max(width, task.name.size());
  if (!arguments.json) print_header(width, static_cast<Result*>(nullptr));
  for (const ChoiceTask& task : tasks) {
    Scores scores = log.begin(task);
    ScoreOptions options{finds_most_probable,
                         [&](size_t item, const ItemScore& score) { log.add(item, score); },
                         {ProgressFunction(), ranks}};
    if (first_rank)
      options.scoring.progress = [&](double done, double total) {
        bar->draw(task.name, done, total);
      };
    const auto begin = std::chrono::steady_clock::now();
    const ScoringWork done = score_items(model, tokenizer, task.items, scores, options);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    work.tokens += done.tokens;
    work.rows += done.rows;
    bar->clear();
    const Result result = evaluate(task.items, scores);
    tell(task, result, scores);
    json.push_back(to_json(task, result));
    means.add(json.back());
    if (!arguments.json) print_row(task.name, width, result);
  }
  const std::optional<double> rate =
      work.rows > 0 ? std::optional(static_cast<double>(work.rows) / seconds) : std::nullopt;
  if (arguments.json) {
    print("{}\n", Json{{"tasks", json},
                       {"mean", means.json()},
                       {"tokens", work.tokens},
                       {"tokens_computed", work.rows},
                       {"tokens_computed_per_second", value_of(rate)}}
                      .dump());
    return;
  }
  if (tasks.size() > 1) print_means(means, tasks.size(), width, static_cast<Result*>(nullptr));
  if (rate) print("{} tokens, {} computed, {:.0f} a second\n", work.tokens, work.rows, *rate);
}

}  // namespace

void add_choice_options(CLI::App& command, ChoiceArguments& arguments) {
  command.fallthrough();  // --threads is the tool's
  command.add_option("--checkpoint", arguments.checkpoint, "checkpoint or run directory")
      ->required();
  add_adapter_options(command, arguments.adapters);
  command.add_flag("--json", arguments.json, "print one JSON object on stdout");
  command.add_option("--data", arguments.files, "files to evaluate on, a task each")->required();
  command.add_option("--limit", arguments.limit, "the first items of every file; 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option(
      "--items", arguments.items,
      "file that gets a line for every item; what it has already is not asked again");
}

void evaluate_choice_files(const ChoiceArguments& arguments, Communicator* ranks) {
  evaluate_files(arguments, ranks, false, read_choice_items, evaluate_choices);
}

void evaluate_continuation_files(const ChoiceArguments& arguments, Communicator* ranks) {
  evaluate_files(arguments, ranks, true, read_continuation_items, evaluate_continuations);
}

}  // namespace minillm
