#include "libminillm/eval/compare.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/chat.h"

namespace minillm {
namespace {

std::string stage_name(const Checkpoint& checkpoint) {
  const auto& state = checkpoint.state();
  return state && !state->lineage.empty() ? state->lineage.back().stage : "";
}

// A name for every checkpoint: its stage, unless another one has the same or none is known.
std::vector<std::string> column_names(const std::vector<Checkpoint>& checkpoints,
                                      const std::vector<CheckpointSource>& sources) {
  std::vector<std::string> stages;
  for (const Checkpoint& checkpoint : checkpoints) stages.push_back(stage_name(checkpoint));
  std::vector<std::string> names = stages;
  for (size_t i = 0; i < names.size(); ++i)
    if (stages[i].empty() || !sources[i].adapters.empty() ||
        std::count(stages.begin(), stages.end(), stages[i]) > 1)
      names[i] = sources[i].name();
  return names;
}

std::vector<ComparedAnswer> answer_all(const Model& model, const Tokenizer& tokenizer,
                                       const std::vector<std::vector<Token>>& prompts,
                                       const GenerationConfig& config) {
  const std::vector<Generation> generations =
      Generator(model, tokenizer).generate_all(prompts, config);
  std::vector<RenderedSequence> sequences;
  for (size_t i = 0; i < prompts.size(); ++i) {
    RenderedSequence& sequence = sequences.emplace_back();
    sequence.tokens = prompts[i];
    sequence.supervised.resize(prompts[i].size(), false);
    const std::vector<Token>& tokens = generations[i].tokens;
    sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
    sequence.supervised.resize(sequence.tokens.size(), true);
  }
  const std::vector<SequenceScore> scores = score_sequences(model, sequences);
  std::vector<ComparedAnswer> answers;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto tokens = std::ssize(generations[i].tokens);
    answers.push_back({generations[i].text, tokens, generations[i].reason == StopReason::kEndToken,
                       tokens == 0 ? 0 : scores[i].logp / static_cast<double>(tokens)});
  }
  return answers;
}

void add_column(Comparison& comparison, const std::string& name,
                std::vector<ComparedAnswer> answers) {
  comparison.columns.push_back(name);
  for (size_t i = 0; i < answers.size(); ++i)
    comparison.rows[i].answers.push_back(std::move(answers[i]));
}

}  // namespace

Comparison compare_checkpoints(const std::vector<std::string>& paths,
                               const std::vector<Prompt>& prompts, const GenerationConfig& config) {
  std::vector<CheckpointSource> sources;
  for (const std::string& path : paths) sources.push_back({path});
  return compare_checkpoints(sources, prompts, config);
}

Comparison compare_checkpoints(const std::vector<CheckpointSource>& sources,
                               const std::vector<Prompt>& prompts, const GenerationConfig& config) {
  std::vector<Checkpoint> checkpoints;
  for (const CheckpointSource& source : sources) checkpoints.push_back(source.open());
  const std::vector<std::string> names = column_names(checkpoints, sources);

  Comparison comparison;
  for (const Prompt& prompt : prompts) comparison.rows.push_back({prompt, {}});
  for (size_t c = 0; c < checkpoints.size(); ++c) {
    const std::string taught = taught_chat_template(checkpoints[c].state());
    const Tokenizer tokenizer = checkpoints[c].tokenizer();
    check_chat_template(taught, tokenizer);
    const Model model = checkpoints[c].load_model(Checkpoint::Use::kFrozen);
    std::vector<std::vector<Token>> as_text, as_chat;
    for (const Prompt& prompt : prompts) {
      as_text.push_back(encode_raw_prompt(tokenizer, raw_text(prompt)));
      if (tokenizer.chat_template() != nullptr) as_chat.push_back(render_prompt(tokenizer, prompt));
    }
    if (taught.empty())
      add_column(comparison, names[c] + " (text)", answer_all(model, tokenizer, as_text, config));
    if (as_chat.empty()) continue;
    std::vector<ComparedAnswer> answers = answer_all(model, tokenizer, as_chat, config);
    for (ComparedAnswer& answer : answers) answer.text = strip_template_space(answer.text);
    add_column(comparison, taught.empty() ? names[c] + " (chat)" : names[c], std::move(answers));
  }
  return comparison;
}

}  // namespace minillm
