#include "libminillm/lab/diagnosis_trial.h"

#include <fmt/format.h>

#include <functional>
#include <set>

#include "libminillm/report/report.h"
#include "libminillm/world/wording.h"

namespace minillm::lab {
namespace {

constexpr int64_t kQuestionsPerKind = 40;
constexpr double kUntold = 0.5;

using report::ReportPrompt;

struct Damage {
  std::string phase;  // of the stage that is damaged
  world::WorldDials dials;
  std::function<bool(const ReportPrompt& prompt, uint64_t seed)> concerns;
};

bool asks_about_untold(const ReportPrompt& prompt, uint64_t seed) {
  const world::World world(seed);
  const std::string person = world::name_and_wording(prompt.prompt.back().content).first;
  for (const world::Person* untold : world::untold_people(world, world::Split::kTest, kUntold))
    if (untold->name == person) return true;
  return false;
}

std::vector<Damage> damages() {
  return {
      {"pretraining",
       {.untold = kUntold},
       [](const ReportPrompt& prompt, uint64_t seed) {
         return prompt.kind == "answer" && asks_about_untold(prompt, seed);
       }},
      {"fine-tuning",
       {.without = {"list"}},
       [](const ReportPrompt& prompt, uint64_t) { return prompt.kind == "list"; }},
      {"preference tuning",
       {.inverted_pairs = true},
       [](const ReportPrompt& prompt, uint64_t) {
         return prompt.kind == "harmful" || prompt.kind == "benign";
       }},
  };
}

}  // namespace

double DiagnosisTrial::right() const {
  double right = 0, all = 0;
  for (const auto& [damaged, phases_named] : named)
    for (const auto& [phase, count] : phases_named) {
      all += static_cast<double>(count);
      if (phase == damaged) right += static_cast<double>(count);
    }
  return all == 0 ? 0 : right / all;
}

DiagnosisTrial try_diagnosis(Laboratory& laboratory) {
  DiagnosisTrial trial;
  for (const Damage& damage : damages()) trial.phases.push_back(damage.phase);
  for (const uint64_t seed : laboratory.options().seeds) {
    for (const Damage& damage : damages()) {
      const Cell cell = {damage.phase, damage.dials, {{"base"}, {"sft"}, {"dpo"}}};
      report::ReportOptions options;
      options.runs = laboratory.checkpoints(cell, seed);
      options.world_eval = laboratory.questions(seed);
      options.questions_per_kind = kQuestionsPerKind;
      options.generation.sampling.temperature = 0;
      options.generation.max_tokens = world::kWorldAnswerTokens;
      for (const ReportPrompt& prompt : report::gather_report(options).prompts)
        if (prompt.diagnosis.failed && damage.concerns(prompt, seed))
          ++trial.named[damage.phase][prompt.diagnosis.phase];
    }
  }
  return trial;
}

std::string diagnosis_markdown(const DiagnosisTrial& trial) {
  std::string out = "| damaged | failures |";
  for (const std::string& phase : trial.phases) out += fmt::format(" named {} |", phase);
  out += "\n|---|---|";
  for (size_t i = 0; i < trial.phases.size(); ++i) out += "---|";
  for (const std::string& damaged : trial.phases) {
    const auto row = trial.named.find(damaged);
    int64_t all = 0;
    std::string cells;
    for (const std::string& phase : trial.phases) {
      int64_t count = 0;
      if (row != trial.named.end())
        if (const auto found = row->second.find(phase); found != row->second.end())
          count = found->second;
      all += count;
      cells += fmt::format(" {} |", count);
    }
    out += fmt::format("\n| {} | {} |{}", damaged, all, cells);
  }
  return out + fmt::format("\n\n{:.3f} of them are named as they were damaged.\n", trial.right());
}

}  // namespace minillm::lab
