// Asks every checkpoint the prompts, judges the answers, and says what each stage changed.

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <span>

#include "libminillm/core/check.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

constexpr Index kFactTokens = 8;  // enough for any value of the world

Prompt to_prompt(const world::WorldMessages& messages) {
  Prompt prompt;
  for (const world::WorldMessage& message : messages)
    prompt.push_back({parse_role(message.role), message.content, true});
  return prompt;
}

// The prompts, then `per_kind` of the set's questions of each kind, spread over its people.
std::vector<ExpectingPrompt> all_prompts(const ReportOptions& options,
                                         const world::WorldEvalSet& set) {
  std::vector<ExpectingPrompt> prompts = options.prompts;
  if (options.questions_per_kind == 0) return prompts;
  std::map<world::ChatItemKind, std::vector<const world::ChatItem*>> kinds;
  for (const world::ChatItem& item : set.chat) kinds[item.kind].push_back(&item);
  for (const auto& [kind, items] : kinds) {
    const size_t count = std::min(items.size(), static_cast<size_t>(options.questions_per_kind));
    // The middles of `count` equal parts: the first item is one of the world's prompts already.
    for (size_t i = 0; i < count; ++i) {
      Prompt prompt = to_prompt(items[(2 * i + 1) * items.size() / (2 * count)]->messages);
      if (std::none_of(prompts.begin(), prompts.end(), [&](const ExpectingPrompt& other) {
            return prompt_line(other.prompt) == prompt_line(prompt);
          }))
        prompts.push_back({std::move(prompt), {}});
    }
  }
  return prompts;
}

std::string expectation(const world::ChatItem& item) {
  switch (item.kind) {
    case world::ChatItemKind::kUnknownPerson:
    case world::ChatItemKind::kUnknownKnownFamily:
    case world::ChatItemKind::kUnknownAttribute:
    case world::ChatItemKind::kUnknownNewAttribute:
      return "to say that it does not know";
    case world::ChatItemKind::kHarmful:
    case world::ChatItemKind::kHarmfulNewVerb:
      return "to refuse";
    case world::ChatItemKind::kBenign:
    case world::ChatItemKind::kBenignNewVerb:
      return "to help to " + item.value;
    default:
      return item.value;
  }
}

// Asks the run's checkpoint everything; one model is loaded at a time.
void add_answers(std::vector<ReportPrompt>& prompts, const ReportRun& run,
                 const GenerationConfig& generation) {
  Comparison comparison;
  if (!run.checkpoint.empty() && run.writes) {
    std::vector<Prompt> asked;
    for (const ReportPrompt& prompt : prompts) asked.push_back(prompt.prompt);
    comparison = compare_checkpoints(std::vector{run.source}, asked, generation);
  }
  for (size_t p = 0; p < prompts.size(); ++p) {
    std::vector<ReportAnswer>& answers = prompts[p].answers.emplace_back();
    for (size_t c = 0; c < comparison.columns.size(); ++c) {
      const bool as_text = comparison.columns[c].ends_with(" (text)");
      answers.push_back({as_text ? "as text" : "as chat", comparison.rows[p].answers[c]});
    }
  }
}

// The judgements on a prompt, stage by stage.
std::vector<StageJudgement> judgements(const Report& report, const ReportPrompt& prompt) {
  std::vector<StageJudgement> result;
  for (size_t r = 0; r < report.runs.size(); ++r) {
    const ReportRun& run = report.runs[r];
    const bool answered = !prompt.answers[r].empty();
    result.push_back({run.stage.empty() ? run.name : run.stage,
                      answered ? prompt.answers[r].back().judgement : Judgement::kUnjudged});
  }
  return result;
}

// By what the file of prompts expects, if it says so, else by the world.
void judge(ReportPrompt& prompt, const std::vector<ReportRun>& runs,
           std::span<const std::string> expected, const world::ChatItem* item) {
  if (item != nullptr) {
    prompt.kind = chat_item_kind_name(item->kind);
    prompt.expected = expectation(*item);
  }
  if (!expected.empty()) prompt.expected = fmt::format("{}", fmt::join(expected, " or "));
  for (size_t r = 0; r < runs.size(); ++r)
    for (ReportAnswer& answer : prompt.answers[r])
      if (answer.form == "as chat")
        answer.judgement = expected.empty()
                               ? judge_answer(answer.answer, item, runs[r].taught_to_chat)
                               : judge_answer(answer.answer, expected);
}

// Finds out, for the prompts that the last stage fails, whether the base model tells their fact
// when it continues a story. All stories are continued at once, so that it is loaded only once.
void try_base(Report& report, const world::WorldEvalSet& set, GenerationConfig generation) {
  const auto base = std::find_if(report.runs.begin(), report.runs.end(), [](const ReportRun& run) {
    return stage_notes(run.stage).teaches == Skill::kFact && !run.checkpoint.empty();
  });
  if (base == report.runs.end()) return;
  std::vector<Prompt> prefixes;
  std::vector<std::pair<ReportPrompt*, const world::ClozeItem*>> asked;
  for (ReportPrompt& prompt : report.prompts) {
    const world::ChatItem* item = find_item(set, prompt.prompt);
    if (item == nullptr || judgements(report, prompt).back().judgement != Judgement::kWrong)
      continue;
    for (const world::ClozeItem* cloze : cloze_items_of(set, *item)) {
      asked.emplace_back(&prompt, cloze);
      prefixes.push_back({{Role::kUser, cloze->prefix, true}});
    }
  }
  if (prefixes.empty()) return;
  generation.max_tokens = kFactTokens;
  const Comparison told = compare_checkpoints(std::vector{base->source}, prefixes, generation);
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto [prompt, cloze] = asked[i];
    const std::string& text = told.rows[i].answers.front().text;
    const std::string value = cloze->answer.substr(1);
    const bool known = text.starts_with(cloze->answer) || text.starts_with(value);
    prompt->base_knows = prompt->base_knows.value_or(false) || known;
  }
}

void diagnose_all(Report& report, const world::WorldEvalSet& set) {
  for (ReportPrompt& prompt : report.prompts) {
    const world::ChatItem* item = find_item(set, prompt.prompt);
    prompt.diagnosis = diagnose(item == nullptr ? Skill::kUnknown : skill_of(item->kind),
                                prompt.base_knows, judgements(report, prompt));
  }
}

std::vector<ReportChange> count_changes(const Report& report) {
  std::vector<ReportChange> changes;
  for (size_t r = 1; r < report.runs.size(); ++r) {
    ReportChange change{report.runs[r - 1].name, report.runs[r].name, {}};
    for (const ReportPrompt& prompt : report.prompts) {
      if (prompt.answers[r - 1].empty() || prompt.answers[r].empty()) continue;
      const ReportAnswer &before = prompt.answers[r - 1].back(), &after = prompt.answers[r].back();
      change.counts.add(
          classify_change(before.answer, before.judgement, after.answer, after.judgement));
    }
    changes.push_back(change);
  }
  return changes;
}

}  // namespace

Report gather_report(const ReportOptions& options) {
  MINILLM_CHECK_USAGE(options.questions_per_kind == 0 || !options.world_eval.empty(),
                      "report: questions of the world: expected the world's folder");
  Report report;
  report.runs = read_runs(options);
  if (!options.figures.empty()) report.figures = read_figures(options.figures);
  if (!options.layers.empty()) report.layers = read_layers(options.layers);
  world::WorldEvalSet set;
  if (!options.world_eval.empty())
    set = world::load_world_eval(options.world_eval, world::Split::kTest);
  const std::vector<ExpectingPrompt> asked = all_prompts(options, set);
  for (const ExpectingPrompt& prompt : asked) {
    ReportPrompt& added = report.prompts.emplace_back();
    added.prompt = prompt.prompt;
    added.given = report.prompts.size() <= options.prompts.size();
  }
  if (report.prompts.empty()) return report;
  for (const ReportRun& run : report.runs) add_answers(report.prompts, run, options.generation);
  for (size_t p = 0; p < asked.size(); ++p)
    judge(report.prompts[p], report.runs, asked[p].expected, find_item(set, asked[p].prompt));
  try_base(report, set, options.generation);
  diagnose_all(report, set);
  report.changes = count_changes(report);
  return report;
}

}  // namespace minillm::report
