// minillm-generate: lets a checkpoint continue texts or answer, in one go or interactively.

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/prompts.h"
#include "tools/generation_options.h"
#include "tools/interactive.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;

// The answer to one prompt, as shown.
struct Answer {
  std::string prompt;
  std::string text;
  Generation generation;
};

std::vector<Answer> answer_all(const LoadedModel& loaded, std::vector<Prompt> prompts, bool chat,
                               const std::string& system, const GenerationConfig& config) {
  std::vector<std::vector<Token>> ids;
  for (Prompt& prompt : prompts) {
    if (!system.empty() && prompt.front().role != Role::kSystem)
      prompt.insert(prompt.begin(), {Role::kSystem, system});
    ids.push_back(chat ? render_prompt(loaded.tokenizer, prompt)
                       : encode_raw_prompt(loaded.tokenizer, raw_text(prompt)));
  }
  std::vector<Generation> generations =
      Generator(loaded.model, loaded.tokenizer).generate_all(ids, config);
  std::vector<Answer> answers;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Generation& said = generations[i];
    std::string text = chat ? std::string(strip_template_space(said.text)) : said.text;
    answers.push_back({raw_text(prompts[i]), std::move(text), std::move(said)});
  }
  return answers;
}

void print_json(const std::string& checkpoint, const std::vector<Answer>& answers) {
  nlohmann::ordered_json generations = nlohmann::ordered_json::array();
  for (const Answer& answer : answers)
    generations.push_back({{"prompt", answer.prompt},
                           {"text", answer.text},
                           {"token_ids", answer.generation.tokens},
                           {"stop_reason", stop_reason_name(answer.generation.reason)}});
  const nlohmann::ordered_json result = {{"checkpoint", checkpoint}, {"generations", generations}};
  print("{}\n", result.dump());
}

void print_answers(const std::vector<Answer>& answers) {
  for (const Answer& answer : answers) {
    if (answers.size() > 1) print_text(fmt::format("> {}\n", answer.prompt));
    print_text(answer.text + "\n");
    if (answers.size() > 1) print("\n");
  }
}

// The answer as a row that a training stage reads: a text, or a conversation.
std::string training_row(const Prompt& prompt, const Answer& answer, bool chat) {
  if (!chat) return nlohmann::ordered_json({{"text", answer.prompt + answer.text}}).dump() + "\n";
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  for (const Message& m : prompt)
    messages.push_back({{"role", role_name(m.role)}, {"content", m.content}});
  messages.push_back({{"role", "assistant"}, {"content", answer.text}});
  return nlohmann::ordered_json({{"messages", messages}}).dump() + "\n";
}

// Writes `samples` answers to every prompt to `path`, which appears when it is complete.
void write_samples(const LoadedModel& loaded, const std::vector<Prompt>& prompts, int64_t samples,
                   const InteractiveOptions& options, const std::string& path) {
  constexpr size_t kAtOnce = 256;
  catch_stop_signals("\nstopping: nothing is written\n");
  FileTransaction file(path, FileTransaction::Of::kUser);
  GenerationConfig config = options.generation;
  size_t written = 0, empty = 0;
  const size_t all = prompts.size() * static_cast<size_t>(samples);
  for (size_t begin = 0; begin < all; begin += kAtOnce) {
    if (stop_requested())
      throw Error("samples: interrupted: nothing was written", ExitCode::kInterrupted);
    std::vector<Prompt> some;
    for (size_t i = begin; i < std::min(all, begin + kAtOnce); ++i)
      some.push_back(prompts[i / static_cast<size_t>(samples)]);
    config.stream = options.generation.stream + begin;  // of every sample its own
    const auto answers = answer_all(loaded, some, options.chat, options.system, config);
    for (size_t i = 0; i < some.size(); ++i) {
      if (answers[i].text.find_first_not_of(" \t\r\n") == std::string::npos) {
        ++empty;
        continue;
      }
      file.write(training_row(some[i], answers[i], options.chat));
      ++written;
    }
  }
  MINILLM_CHECK(written > 0, "samples: all of them are empty: nothing was written");
  file.commit();
  spdlog::info("{}: {} samples{}", path, written,
               empty > 0 ? fmt::format(", {} empty ones left out", empty) : "");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Lets a checkpoint continue a text or, with --chat, answer. Without a prompt, starts an "
      "interactive session",
      "minillm-generate");
  InteractiveOptions options;
  std::string prompt, prompts_path;
  std::string out;
  int64_t samples = 1;
  bool json = false;
  app.add_option("--checkpoint", options.checkpoint, "checkpoint or run directory")->required();
  auto* one = app.add_option("--prompt", prompt, "text to continue, or question to answer");
  app.add_option("--prompts", prompts_path,
                 "file with one prompt per line, or .jsonl with {\"prompt\": ...}")
      ->excludes(one);
  auto* chat = app.add_flag("--chat", options.chat, "use the chat template");
  app.add_option("--system", options.system, "system prompt")->needs(chat);
  add_chat_template_option(app, options.chat_template);
  app.add_flag("--force", options.force, "chat even if the checkpoint was taught another template");
  add_generation_options(app, options.generation);
  auto* many = app.add_option("--samples", samples, "answers to every prompt")
                   ->check(CLI::Range(1, 10000000));
  app.add_option(
         "--out", out,
         "write the answers with their prompts to this .jsonl file, as rows that training reads")
      ->excludes(app.add_flag("--json", json, "print one JSON object on stdout"));

  return run_tool(app, argc, argv, [&] {
    const bool interactive =
        one->count() == 0 && prompts_path.empty() && many->count() == 0 && out.empty();
    MINILLM_CHECK_USAGE(!json || !interactive, "--json: expected --prompt or --prompts with it");
    options.generation.validate();
    options.force = options.force || !options.chat_template.empty();
    if (interactive) {
      return run_interactive(options);
    }
    if (!out.empty()) check_output_path(out, {prompts_path, options.checkpoint});
    std::vector<Prompt> prompts = prompts_path.empty()
                                      ? std::vector<Prompt>{{{Role::kUser, prompt}}}
                                      : read_prompts(prompts_path);
    const LoadedModel loaded = LoadedModel::load(options.checkpoint, options.chat_template);
    if (options.chat) loaded.check_can_chat(options.force);
    if (!out.empty()) {
      write_samples(loaded, prompts, samples, options, out);
      return 0;
    }
    std::vector<Prompt> repeated;
    for (const Prompt& p : prompts)
      repeated.insert(repeated.end(), static_cast<size_t>(samples), p);
    prompts = std::move(repeated);
    const std::vector<Answer> answers =
        answer_all(loaded, prompts, options.chat, options.system, options.generation);
    json ? print_json(options.checkpoint, answers) : print_answers(answers);
    return 0;
  });
}
