// minillm-generate: lets a checkpoint continue texts or answer, in one go or interactively.

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/data/message_json.h"
#include "libminillm/generate/prompts.h"
#include "tools/documents.h"
#include "tools/generation_options.h"
#include "tools/interactive.h"
#include "tools/notes_option.h"
#include "tools/print.h"
#include "tools/samples.h"
#include "tools/tool_main.h"
#include "tools/tools_option.h"

namespace {

using namespace minillm;

// What was looked up for each question, in their order; empty without --notes.
using LookedUp = std::vector<NotedPrompt>;

// Puts what is found for the questions into their prompts.
LookedUp look_up(const LoadedModel& loaded, const InteractiveOptions& options, const Policy* policy,
                 std::vector<ExpectingPrompt>& questions) {
  LookedUp found;
  if (options.notes.empty()) return found;
  const NoteIndex index(options.notes);
  for (ExpectingPrompt& question : questions) {
    if (!options.system.empty() && question.prompt.front().role != Role::kSystem)
      question.prompt.insert(question.prompt.begin(), {Role::kSystem, options.system});
    found.push_back(look_up_notes(index, loaded, question.prompt, options.generation, policy));
    question.prompt = found.back().messages;
  }
  return found;
}

// The answers to a question follow one another, as many to each.
void print_json(const std::string& checkpoint, const std::vector<Answer>& answers,
                const LookedUp& found) {
  nlohmann::ordered_json generations = nlohmann::ordered_json::array();
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& answer = answers[i];
    generations.push_back(
        {{"prompt", answer.prompt},
         {"text", answer.text},
         {"token_ids", answer.generation.tokens},
         {"stop_reason",
          answer.refused ? "content_filter" : stop_reason_name(answer.generation.reason)}});
    if (answer.refused)
      generations.back()["policy"] = {{"rule", answer.refused->rule},
                                      {"where", policy_place_name(answer.refused->place)}};
    if (!answer.called.empty()) generations.back()["called"] = messages_json(answer.called);
    if (!found.empty())
      generations.back()["notes"] = notes_json(found[i * found.size() / answers.size()].notes);
  }
  const nlohmann::ordered_json result = {{"checkpoint", checkpoint}, {"generations", generations}};
  print("{}\n", result.dump());
}

void print_answers(const std::vector<Answer>& answers, const LookedUp& found) {
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers.size() > 1) print_text(fmt::format("> {}\n", answers[i].prompt));
    print_text(answers[i].text + "\n");
    std::fflush(stdout);
    if (answers[i].refused) tell_verdict(*answers[i].refused);
    tell_calls(answers[i].called);
    if (!found.empty()) tell_sources(found[i * found.size() / answers.size()]);
    if (answers.size() > 1) print("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Lets a checkpoint continue a text or, with --chat, answer. Without a prompt, starts an "
      "interactive session or, with --out, writes documents",
      "minillm-generate");
  InteractiveOptions options;
  std::string prompt, prompts_path;
  SampleOptions sampling;
  int64_t& samples = sampling.samples;
  std::string& out = sampling.out;
  bool json = false;
  app.add_option("--checkpoint", options.checkpoint, "checkpoint or run directory")->required();
  auto* one = app.add_option("--prompt", prompt, "text to continue, or question to answer");
  app.add_option("--prompts", prompts_path,
                 "file with one prompt per line, or .jsonl with {\"prompt\": ...}")
      ->excludes(one);
  auto* chat = app.add_flag("--chat", options.chat, "use the chat template");
  app.add_option("--system", options.system, "system prompt")->needs(chat);
  add_notes_option(app, options.notes)->needs(chat);
  auto* called = add_tools_options(app, options.tools, options.clock)->needs(chat);
  add_chat_template_option(app, options.chat_template);
  add_adapter_option(app, options.adapters);
  app.add_flag("--force", options.force,
               "chat even if the checkpoint was taught another template, and take adapters of "
               "another base, whose updates then mean nothing");
  add_generation_options(app, options.generation);
  add_constraint_options(app, options.constraint);
  called->excludes(app.get_option("--schema"))->excludes(app.get_option("--regex"));
  auto* policy_option = add_policy_option(app, options.policy);
  auto* many = app.add_option("--samples", samples,
                              "answers to every prompt; without a prompt and with --out, documents "
                              "that begin and end by themselves, of up to the context's length "
                              "unless --max-tokens says another one")
                   ->check(CLI::Range(1, 10000000));
  app.add_option("--out", out,
                 "write the answers with their prompts, or the documents, to this .jsonl file, as "
                 "rows that "
                 "training reads")
      ->excludes(called)
      ->excludes(app.add_flag("--json", json, "print one JSON object on stdout"));

  auto* unfinished =
      app.add_flag("--keep-unfinished", sampling.keep_unfinished,
                   "of documents: keep those, too, that --max-tokens or the context cut off")
          ->needs(app.get_option("--out"));
  for (CLI::Option* option : {one, app.get_option("--prompts"), chat}) unfinished->excludes(option);
  policy_option->excludes(app.get_option("--out"))->excludes(called);
  auto* reward = app.add_option("--reward", sampling.reward, reward_help())->needs(chat);
  app.add_option("--reward-pattern", sampling.reward_options.pattern,
                 "regular expression, for the reward \"pattern\"")
      ->needs(reward);
  app.add_option("--reward-model", sampling.reward_options.model,
                 "reward model's checkpoint, for the reward \"model\"")
      ->needs(reward);
  app.add_option("--reward-program", sampling.reward_options.program,
                 "command that reads a JSON line for each answer and writes a number, for the "
                 "reward \"program\"")
      ->needs(reward);
  auto* best = app.add_option("--best-of", samples,
                              "print the best of this many answers to every prompt, by --reward")
                   ->check(CLI::Range(1, 1000000))
                   ->needs(reward)
                   ->excludes(many)
                   ->excludes(policy_option)
                   ->excludes(called);
  app.add_option("--keep", sampling.keep,
                 "what is written of rewarded answers: ranked (rows for minillm-dpo: all different "
                 "answers, the best one first) or best (rows for minillm-sft: the best one)")
      ->check(CLI::IsMember({"ranked", "best"}))
      ->needs(reward);
  app.add_option("--min-reward", sampling.min_reward,
                 "with --keep best: leave out prompts whose best answer is worth less")
      ->needs(reward);

  return run_tool(app, argc, argv, [&] {
    const bool interactive = one->count() == 0 && prompts_path.empty() && many->count() == 0 &&
                             best->count() == 0 && out.empty();
    MINILLM_CHECK_USAGE(!json || !interactive, "--json: expected --prompt or --prompts with it");
    options.generation.validate();
    built_in_tools(options.tools);  // before a model is loaded
    options.force = options.force || !options.chat_template.empty();
    if (interactive) {
      return run_interactive(options);
    }
    MINILLM_CHECK_USAGE(sampling.reward.empty() || !out.empty() || best->count() > 0,
                        "--reward: expected --out or --best-of with it");
    MINILLM_CHECK_USAGE(out.empty() || best->count() == 0,
                        "--best-of: expected no --out with it (--samples --keep best writes rows)");
    if (!out.empty()) check_output_path(out, {prompts_path, options.checkpoint});
    std::optional<Policy> policy;
    if (!options.policy.empty()) policy = Policy::load(options.policy);
    const Policy* const rules = policy ? &*policy : nullptr;
    std::vector<ExpectingPrompt> questions =
        prompts_path.empty() ? std::vector<ExpectingPrompt>{{{{Role::kUser, prompt}}, {}}}
                             : read_expecting_prompts(prompts_path);
    const LoadedModel loaded = LoadedModel::load(options.checkpoint, options.chat_template,
                                                 {options.adapters, options.force});
    if (options.chat) loaded.check_can_chat(options.force);
    options.generation.constraint = options.constraint.compile(loaded.tokenizer);
    if (!out.empty() && one->count() == 0 && prompts_path.empty() && !options.chat) {
      if (app.count("--max-tokens") == 0) options.generation.max_tokens = loaded.model.positions();
      write_documents(loaded, options.generation, sampling);
      return 0;
    }
    const LookedUp found = look_up(loaded, options, rules, questions);
    if (!out.empty()) {
      write_samples(loaded, questions, options, sampling);
      return 0;
    }
    if (best->count() > 0) {
      const std::vector<Answer> answers = best_answers(loaded, questions, options, sampling);
      json ? print_json(options.checkpoint, answers, found) : print_answers(answers, found);
      return 0;
    }
    std::vector<Prompt> prompts;
    for (const ExpectingPrompt& question : questions)
      prompts.insert(prompts.end(), static_cast<size_t>(samples), question.prompt);
    const std::vector<Answer> answers =
        options.tools.empty()
            ? answer_all(loaded, prompts, options.chat, options.system, options.generation, rules)
            : answer_with_tools(loaded, prompts, options);
    json ? print_json(options.checkpoint, answers, found) : print_answers(answers, found);
    return 0;
  });
}
