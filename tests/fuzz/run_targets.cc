#include "tests/fuzz/run_targets.h"

#include <cmath>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/run_directory.h"
#include "libminillm/core/file.h"
#include "libminillm/core/utf8.h"
#include "libminillm/dpo/reference.h"
#include "libminillm/generate/prompts.h"
#include "libminillm/nn/model.h"
#include "libminillm/report/report.h"
#include "libminillm/train/trainer.h"
#include "libminillm/world/eval_set.h"
#include "tests/fuzz/helpers.h"

namespace minillm_testing {
namespace {

using namespace minillm;

Model& smallest_model() {
  static Model model = [] {
    ModelConfig config;
    config.vocab_size = 8;
    config.hidden_size = 4;
    config.intermediate_size = 4;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 1;
    config.num_key_value_heads = 1;
    config.head_dim = 4;
    Model smallest(config);
    smallest.initialize(1);
    return smallest;
  }();
  return model;
}

// A run that has got as far as `state` says, and takes one step more.
void resume_with(const TrainerState& state) {
  Model& model = smallest_model();
  const std::string path = fuzz_directory() + "/run";
  std::filesystem::remove_all(path);
  create_directories(path);
  std::vector<Real> moments(model.parameters().size());
  write_checkpoint(path + "/" + checkpoint_name(state.step),
                   {&model, nullptr, moments_in_memory(moments, moments), state});
  RunDirectory run(path);
  TrainingTask task = model_task(model, nullptr);
  task.micro_step = [](Index i) {
    require(i >= 0);
    return Contribution{.loss = 1, .weight = 1, .tokens = 1};
  };
  task.evaluate = [] { return Metrics{{"eval_loss", 1.0}}; };
  if (!state.lineage.empty()) task.provenance = state.lineage.back();
  TrainConfig config;
  config.log_every = 1;
  config.spike_guard = {.action = "skip", .threshold = 6, .window = 4};
  Trainer trainer(config, state.step + 1, std::move(task), &run);
  trainer.resume();
  TrainerEvents events;
  events.on_step = [](const StepReport& report) {
    require(std::isfinite(report.learning_rate) && report.learning_rate >= 0);
  };
  trainer.run(events);
  require(trainer.state().step == state.step + 1);
}

void render(const report::Report& report) {
  require(is_valid_utf8(report::report_html(report)));
  require(is_valid_utf8(report::report_markdown(report)));
  const std::string csv = report::report_csv(report.runs);
  require(is_valid_utf8(csv) && csv.find('\x1b') == std::string::npos);
}

}  // namespace

void trainer_state(std::string_view bytes) {
  TrainerState state;
  if (!accepted([&] { state = parse_trainer_state(std::string(bytes), "trainer_state.json"); }))
    return;
  // Written and read again, it means the same.
  require(parse_trainer_state(trainer_state_to_json(state), "again") == state);
  accepted([&] { resume_with(state); });
}

void metrics(std::string_view bytes) {
  fuzz_file("metrics.jsonl", bytes);
  accepted([&] {
    report::Report report;
    report.runs = report::read_runs({fuzz_directory()});
    render(report);
    const std::string events = fuzz_directory() + "/events";
    std::filesystem::remove_all(events);
    report::write_tensorboard(report.runs, events);
  });
  std::filesystem::remove(fuzz_directory() + "/metrics.jsonl");
}

void summary(std::string_view bytes) {
  const std::string path = fuzz_file("summary.json", bytes);
  accepted([&] {
    report::Report report;
    report.figures = report::read_figures(path);
    for (const report::ReportFigure& figure : report.figures.rows)
      require(figure.values.size() == report.figures.columns.size());
    render(report);
  });
}

void prompts(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool text = static_cast<uint8_t>(bytes.front()) % 2 == 0;
  const std::string path = fuzz_file(text ? "prompts.txt" : "prompts.jsonl", bytes.substr(1));
  accepted([&] {
    report::Report report;
    for (const ExpectingPrompt& row : read_expecting_prompts(path)) {
      require(!row.prompt.empty() && row.prompt.back().role == Role::kUser);
      for (const std::string& expected : row.expected) require(!expected.empty());
      raw_text(row.prompt);
      report::ReportPrompt& prompt = report.prompts.emplace_back();
      prompt.prompt = row.prompt;
    }
    render(report);
  });
}

void world_eval(std::string_view bytes) {
  const std::string path = fuzz_file("eval.jsonl", bytes);
  for (const world::Split split : {world::Split::kValidation, world::Split::kTest}) {
    accepted([&] {
      const std::string written =
          world::world_eval_to_jsonl(world::load_world_eval(path, split), split);
      const std::string again = fuzz_file("again.jsonl", written);
      require(world::world_eval_to_jsonl(world::load_world_eval(again, split), split) == written);
    });
  }
}

void reference_cache(std::string_view bytes) {
  static const std::vector<RenderedPair> pairs = {{{0, 1}, {2, 3}, {4}}, {{0}, {5}, {6, 7}}};
  const std::string path = fuzz_file("cache.json", bytes);
  accepted([&] {
    for (const PairLogProbs& p : reference_log_probs(path, "key", smallest_model(), pairs))
      require(p.chosen <= 0 && p.rejected <= 0);
  });
}

std::map<std::string, std::vector<std::string>> run_seeds() {
  std::map<std::string, std::vector<std::string>> seeds;
  seeds["metrics"] = {
      "{\"step\":0,\"eval_loss\":3.5,\"time\":1700000000500}\n"
      "{\"step\":10,\"loss\":2.5,\"grad_norm\":null,\"rewards/margins\":-1e-3}\n"};
  seeds["summary"] = {
      R"({"pretrain": {"cloze_accuracy": {"value": 0.5, "count": 1, "of": 2}, "cloze/fair/x": {"value": 1, "count": 1, "of": 1}, "mine": {"value": null, "count": 0, "of": 0}}, "sft": {}})"};
  seeds["prompts"] = {
      std::string(1, '\0') + "Where is Ashford?\n\nWho is Tom?\n",
      "\1{\"prompt\": \"q\", \"system\": \"s\", \"expect\": [\"a\", \"b\"]}\n"
      "{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}], \"expect\": \"a\"}\n"};
  seeds["world_eval"] = {
      R"({"type":"story","split":"test","text":"x"}
{"type":"second_domain","split":"test","text":"x"}
{"type":"cloze","split":"test","group":"fair","prompt":"trade-1","prefix":"p","answer":" a"}
)",
      R"({"type":"chat","split":"validation","kind":"sum","messages":[{"role":"user","content":"q"}],"value":"7"}
{"type":"pair","split":"validation","kind":"style","prompt":[{"role":"user","content":"q"}],"chosen":"a","rejected":"b"}
{"type":"canary","split":"validation","prefix":"p","secret":" 1","repeats":30,"candidates":[" 1"," 2"]}
)"};
  seeds["reference_cache"] = {R"({"key": "key", "chosen": [-1.5, -2], "rejected": [-3, -1e-9]})",
                              R"({"key": "other", "chosen": [], "rejected": []})"};
  return seeds;
}

}  // namespace minillm_testing
