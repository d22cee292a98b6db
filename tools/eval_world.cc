#include "tools/eval_world.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/eval/layer_eval.h"
#include "libminillm/eval/policy_eval.h"
#include "libminillm/eval/tool_eval.h"
#include "libminillm/eval/world_eval.h"
#include "libminillm/generate/built_in_tools.h"
#include "libminillm/retrieve/note_index.h"
#include "libminillm/retrieve/question.h"
#include "tools/print.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using Metrics = std::vector<world::WorldMetric>;

constexpr size_t kExamples = 3;  // changed answers that are shown of a layer, of each kind

// What is asked of whom.
struct Subject {
  Model model;
  Tokenizer tokenizer;
  world::Split split;
  world::WorldEvalSet set;
  std::optional<NoteIndex> notes;
  std::optional<Policy> policy;
  Scoring scoring;

  NoteSource note_source() const {
    return [this](const std::string& question, int64_t limit) {
      return notes->query(question, limit);
    };
  }
};

Metrics all_metrics(const WorldArguments& arguments, const Subject& subject) {
  Metrics metrics = evaluate_world(subject.model, subject.tokenizer, subject.set, subject.scoring);
  const auto add = [&](const Metrics& more) {
    metrics.insert(metrics.end(), more.begin(), more.end());
  };
  if (subject.notes)
    add(evaluate_open_book(
        subject.model, subject.tokenizer,
        world::load_open_book_eval(world_file(arguments.directory, "open_book_eval.jsonl"),
                                   subject.split),
        subject.note_source(), subject.scoring,
        [](const std::string& question, const std::string& note) {
          return may_answer(question_words(question), note);
        }));
  if (arguments.tools)
    add(evaluate_tools(subject.model, subject.tokenizer,
                       world::load_tool_eval(
                           world_file(arguments.directory, "tools_questions.jsonl"), subject.split),
                       subject.scoring));
  if (subject.policy)
    add(evaluate_policy(subject.model, subject.tokenizer, subject.set, *subject.policy));
  return metrics;
}

std::vector<LayerResult> all_layers(const WorldArguments& arguments, const Subject& subject) {
  if (!arguments.layers) return {};
  MINILLM_CHECK_USAGE(subject.notes || arguments.tools || subject.policy,
                      "--layers: there is nothing around the model: expected --notes, --tools or "
                      "--policy");
  AnswerLayers layers;
  if (subject.notes) layers.notes = subject.note_source();
  if (arguments.tools) layers.tools = built_in_tools({"add"});
  if (subject.policy) layers.policy = &*subject.policy;
  return evaluate_layers(subject.model, subject.tokenizer, subject.set.chat, layers,
                         subject.scoring);
}

Json to_json(const Metrics& metrics) {
  Json result;
  for (const world::WorldMetric& m : metrics)
    result[m.name] = {
        {"value", m.of > 0 ? Json(m.value) : Json()}, {"count", m.count}, {"of", m.of}};
  return result;
}

Json to_json(const std::vector<LayerResult>& layers) {
  Json result;
  for (const LayerResult& layer : layers) {
    Json changed = Json::array();
    for (const ChangedAnswer& answer : layer.changed)
      changed.push_back({{"question", answer.question},
                         {"alone", answer.alone},
                         {"with_layer", answer.with_layer},
                         {"repaired", answer.repaired}});
    result[layer.name] = {{"metrics", to_json(layer.metrics)},
                          {"repaired", layer.repaired()},
                          {"broken", layer.broken()},
                          {"changed", changed}};
  }
  return result;
}

void print_examples(const LayerResult& layer, bool repaired) {
  size_t shown = 0;
  for (const ChangedAnswer& answer : layer.changed) {
    if (answer.repaired != repaired) continue;
    if (shown++ == kExamples) return;
    print("  {} by {}: {}\n    alone: {}\n    {}: {}\n", repaired ? "repaired" : "broken",
          layer.name, answer.question, answer.alone, layer.name, answer.with_layer);
  }
}

// A column for each layer.
void print_layers(const std::vector<LayerResult>& layers) {
  if (layers.empty()) return;
  print("\n{:<44}", "");
  for (const LayerResult& layer : layers) print(" {:>8}", layer.name);
  print("\n");
  for (const world::WorldMetric& metric : layers.front().metrics) {
    print("{:<44}", metric.name);
    for (const LayerResult& layer : layers) {
      const auto found = std::ranges::find(layer.metrics, metric.name, &world::WorldMetric::name);
      print(" {:>8}", found == layer.metrics.end() ? "-" : fmt::format("{:.4f}", found->value));
    }
    print("\n");
  }
  for (const bool repaired : {true, false}) {
    print("{:<44}", repaired ? "answers repaired" : "answers broken");
    for (const LayerResult& layer : layers)
      print(" {:>8}", repaired ? layer.repaired() : layer.broken());
    print("\n");
  }
  for (const LayerResult& layer : layers)
    for (const bool repaired : {true, false}) print_examples(layer, repaired);
}

}  // namespace

std::string world_file(const std::string& directory, const char* name) {
  const std::string path = join_path(directory, name);
  MINILLM_CHECK(file_exists(path),
                "world '{}': no such file (minillm-world --part heldout --out {})", path,
                directory);
  return path;
}

void add_world_options(CLI::App& command, WorldArguments& arguments) {
  command.fallthrough();  // --threads is the tool's
  command.add_option("--checkpoint", arguments.checkpoint, "checkpoint or run directory")
      ->required();
  add_adapter_options(command, arguments.adapters);
  command.add_flag("--json", arguments.json, "print one JSON object on stdout");
  command.add_option("--data", arguments.directory, "directory with eval.jsonl")
      ->capture_default_str();
  command.add_option("--split", arguments.split, "which people to ask about")
      ->check(CLI::IsMember({"test", "validation"}))
      ->capture_default_str();
  command.add_option("--notes", arguments.notes,
                     "index of minillm-notes, made of second.jsonl: also ask what is to be looked "
                     "up in it");
  command.add_flag("--tools", arguments.tools,
                   "also ask with tools, which are run: sums, and what needs none");
  command.add_option("--policy", arguments.policy,
                     "tell what these rules (a TOML file) refuse, with the model and without");
  command.add_flag("--layers", arguments.layers,
                   "ask all chat questions again with notes, tools and policy, each alone and all "
                   "together, side by side, and show which answers they repair and break");
}

void evaluate_world_set(const WorldArguments& arguments, Communicator* ranks) {
  const world::Split split =
      arguments.split == "test" ? world::Split::kTest : world::Split::kValidation;
  world::WorldEvalSet set =
      world::load_world_eval(world_file(arguments.directory, "eval.jsonl"), split);
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  Subject subject{checkpoint.load_model(Checkpoint::Use::kFrozen),
                  checkpoint.tokenizer(),
                  split,
                  std::move(set),
                  {},
                  {},
                  {ProgressFunction(), ranks}};
  if (!arguments.notes.empty()) subject.notes.emplace(arguments.notes);
  if (!arguments.policy.empty()) subject.policy = Policy::load(arguments.policy);
  const std::vector<LayerResult> layers = all_layers(arguments, subject);
  const Metrics metrics = all_metrics(arguments, subject);
  if (arguments.json) {
    Json result = to_json(metrics);
    if (!layers.empty()) result["layers"] = to_json(layers);
    print("{}\n", result.dump());
    return;
  }
  for (const world::WorldMetric& m : metrics)
    print("{:<44} {:>8}  {:>7} / {}\n", m.name, m.of > 0 ? fmt::format("{:.4f}", m.value) : "-",
          m.count, m.of);
  print_layers(layers);
}

}  // namespace minillm
