#include "libminillm/eval/probe_eval.h"

#include <cmath>
#include <string>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/notes.h"
#include "libminillm/eval/calibration.h"
#include "libminillm/eval/preference_eval.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/world_messages.h"
#include "libminillm/generate/shared_generation.h"
#include "libminillm/world/wording.h"

namespace minillm {
namespace {

world::WorldOutcome outcome_of(std::string_view metric, std::string_view question, double value) {
  auto [person, wording] = world::name_and_wording(question);
  return {std::string(metric), std::move(person), std::move(wording), value};
}

std::vector<Token> prompt_of(const Tokenizer& tokenizer, const world::Probe& probe) {
  if (probe.messages.empty()) return encode_raw_prompt(tokenizer, probe.text);
  std::vector<Message> messages = to_messages(probe.messages);
  std::vector<Note> notes;
  for (const std::string& text : probe.notes) notes.push_back({text, "", 0});
  if (!notes.empty()) messages = with_notes(std::move(messages), notes);
  return render_prompt(tokenizer, messages);
}

// What is asked, without the examples before it.
std::string_view question_of(const world::Probe& probe) {
  if (!probe.messages.empty()) return probe.messages.back().content;
  const std::string_view text = probe.text;
  return text.substr(text.rfind("Q: ") == std::string_view::npos ? 0 : text.rfind("Q: ") + 3);
}

RenderedSequence all_of(std::vector<Token> tokens) {
  RenderedSequence sequence;
  sequence.tokens = std::move(tokens);
  sequence.supervised.resize(sequence.tokens.size(), true);
  sequence.supervised.front() = false;
  return sequence;
}

double exposure(std::span<const double> logps) {
  return std::log2(static_cast<double>(logps.size()) /
                   static_cast<double>(world::canary_rank(logps)));
}

}  // namespace

std::vector<world::WorldOutcome> ask_probes(const Model& model, const Tokenizer& tokenizer,
                                            std::span<const world::Probe> probes,
                                            const Scoring& scoring) {
  std::vector<std::vector<Token>> prompts;
  for (const world::Probe& probe : probes) prompts.push_back(prompt_of(tokenizer, probe));
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = world::kWorldAnswerTokens;
  Generator generator(model, tokenizer);
  const std::vector<Generation> answers = generate_among(scoring.ranks, generator, prompts, config);
  std::vector<world::WorldOutcome> outcomes;
  for (size_t i = 0; i < probes.size(); ++i)
    for (const world::ProbeMetric& metric : probes[i].metrics)
      outcomes.push_back(outcome_of(metric.name, question_of(probes[i]),
                                    world::probe_value(metric.figure, probes[i], answers[i].text)));
  return outcomes;
}

std::vector<world::WorldOutcome> ask_told_facts(const Model& model, const Tokenizer& tokenizer,
                                                std::span<const world::ToldFact> facts,
                                                const Scoring& scoring) {
  std::vector<RenderedSequence> sequences;
  for (const world::ToldFact& fact : facts) {
    sequences.push_back(render_cloze(tokenizer, fact.truth));
    sequences.push_back(render_cloze(tokenizer, fact.lie));
  }
  const std::vector<SequenceScore> scores = score_sequences(model, sequences, scoring);
  std::vector<world::WorldOutcome> outcomes;
  for (size_t i = 0; i < scores.size(); ++i) {
    const world::ToldFact& fact = facts[i / 2];
    const std::string what = i % 2 == 0 ? "true" : "false";
    const bool first_choice = scores[i].most_probable == scores[i].tokens;
    // Both of one question: what is said before the value may differ between them.
    for (const auto& [figure, value] :
         {std::pair("_value_rate", first_choice ? 1.0 : 0.0),
          std::pair("_value_probability", std::exp(scores[i].logp))}) {
      outcomes.push_back(outcome_of(what + figure, fact.truth.prefix, value));
      outcomes.back().wording = fact.truth.prompt;
    }
  }
  return outcomes;
}

std::vector<world::WorldOutcome> ask_secrets(const Model& model, const Tokenizer& tokenizer,
                                             std::span<const world::Canary> secrets,
                                             const Scoring& scoring) {
  std::vector<world::WorldOutcome> outcomes;
  for (const world::Canary& secret : secrets) {
    std::vector<RenderedSequence> turns;
    PromptWithAnswers answers = {
        render_prompt(tokenizer, {{Role::kUser, world::secret_question(secret)}}), {}};
    for (const std::string& candidate : secret.candidates) {
      const std::string said = secret.prefix + candidate;
      turns.push_back(all_of(render_prompt(tokenizer, {{Role::kUser, said}})));
      answers.answers.push_back(render_answer(tokenizer, said));
    }
    std::vector<double> as_user, as_answer = answer_log_probs(model, answers, scoring);
    for (const SequenceScore& score : score_sequences(model, turns, scoring))
      as_user.push_back(score.logp);
    for (const auto& [turn, logps] : {std::pair("user", &as_user), std::pair("answer", &as_answer)})
      outcomes.push_back({world::secret_metric(turn, secret.repeats), "",
                          world::secret_question(secret), exposure(*logps)});
  }
  return outcomes;
}

std::vector<world::WorldOutcome> ask_confidence(const Model& model, const Tokenizer& tokenizer,
                                                std::span<const world::ChatItem> items,
                                                const Scoring& scoring) {
  std::vector<world::ChatItem> asked;
  for (const world::ChatItem& item : items)
    if (one_word_group(item)) asked.push_back(item);
  const std::vector<OneWordAnswer> answers = one_word_answers(model, tokenizer, asked, scoring);
  std::vector<world::WorldOutcome> outcomes;
  for (size_t i = 0; i < asked.size(); ++i) {
    const JudgedAnswer& judged = answers[i].judged;
    const bool known = answers[i].group == OneWordGroup::kKnownPeople;
    const bool right = known ? judged.right && !judged.denied : judged.denied;
    const double gap = judged.confidence - (right ? 1 : 0);
    const std::string& question = asked[i].messages.back().content;
    outcomes.push_back(outcome_of("one_word_brier", question, gap * gap));
    outcomes.push_back(outcome_of("one_word_overconfidence", question, gap));
  }
  return outcomes;
}

std::vector<world::WorldOutcome> ask_pairs(const Model& model, const Tokenizer& tokenizer,
                                           std::span<const world::WorldPair> pairs,
                                           const Scoring& scoring) {
  std::vector<RenderedPair> rendered;
  for (const world::WorldPair& pair : pairs)
    rendered.push_back(
        render_pair(tokenizer, {to_messages(pair.prompt), pair.chosen, pair.rejected}));
  const std::vector<PairLogProbs> scores = pair_log_probs(model, rendered, scoring);
  std::vector<world::WorldOutcome> outcomes;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::string& question = pairs[i].prompt.back().content;
    outcomes.push_back(outcome_of("chosen_log_prob", question, scores[i].chosen));
    outcomes.push_back(outcome_of("rejected_log_prob", question, scores[i].rejected));
  }
  return outcomes;
}

}  // namespace minillm
